// The microphone, and the live session that hears it.

import { liveAddress, liveProtocols } from "./server.js";

/** Why there is no sound: `code` is the key of the text that says so. */
export class NoSound extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

async function stream() {
  if (!navigator.mediaDevices) throw new NoSound("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia({
      // What browsers do for calls costs accuracy; a level that is too low costs more.
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true },
    });
  } catch (error) {
    throw new NoSound(error.name === "NotFoundError" ? "noMicrophone" : "noPermission");
  }
}

/**
 * Speech from the microphone until `stop` is called or something ends it.
 * `told` gets the session's messages and {type: "level"}; {type: "lost"} if the connection breaks.
 */
export class Session {
  static async open({ model, hotwords }, told) {
    const session = new Session(told);
    session.stream = await stream();
    session.context = new AudioContext();
    try {
      await session.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      session.connect(model, hotwords);
    } catch (error) {
      session.release();
      throw error;
    }
    return session;
  }

  constructor(told) {
    this.told = told;
    this.isOver = false;
  }

  connect(model, hotwords) {
    const parameters = [
      ["rate", this.context.sampleRate],
      ["sample_format", "s16le"],
      ["word_timestamps", "true"],
      ["files", "true"],
      ...hotwords.map((word) => ["hotword", word]),
    ];
    if (model) parameters.push(["model", model]);
    this.socket = new WebSocket(liveAddress(parameters), liveProtocols());
    this.socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    this.socket.onclose = () => this.end({ type: "lost" });
  }

  hear(message) {
    if (message.type === "started") this.listen();
    if (message.type === "finished" || message.type === "error") this.end(message);
    else this.told(message);
  }

  listen() {
    this.node = new AudioWorkletNode(this.context, "pieces", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      if (data === null) this.send(JSON.stringify({ type: "finish" }));
      else {
        this.send(data.samples.buffer);
        this.told({ type: "level", peak: data.peak });
      }
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    this.stream.getAudioTracks()[0].onended = () => this.stop();
  }

  send(data) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  /** No more sound; what was said is still recognised. */
  stop() {
    if (this.node) this.node.port.postMessage("flush");
    else this.end({ type: "finished", files: {} });
    this.stream.getTracks().forEach((track) => track.stop());
  }

  end(message) {
    if (this.isOver) return;
    this.isOver = true;
    this.release();
    this.told(message);
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.context?.close();
    this.socket?.close();
  }
}
