// The microphone, and the live session that hears it.

import { liveAddress, liveProtocols } from "./server.js";

const FLUSH_MS = 1000; // within which the audio thread hands over what it has

/** Why there is no sound: `code` is the key of the text that says so. */
export class NoSound extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

const REASONS = {
  NotFoundError: "noMicrophone",
  NotAllowedError: "noPermission",
  SecurityError: "noPermission",
};

async function stream() {
  if (!navigator.mediaDevices) throw new NoSound("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia({
      // What browsers do for calls costs accuracy; a level that is too low costs more.
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true },
    });
  } catch (error) {
    throw new NoSound(REASONS[error.name] ?? "microphoneBusy");
  }
}

/**
 * Speech from the microphone until `stop` is called or something ends it.
 * `told` gets the session's messages, and some more: {type: "level"}; {type: "unplugged"}; and as
 * the last one, where it is not "finished" or "error", {type: "stopped"} before there was a
 * connection, {type: "notConnected"} where there is none, {type: "lost"} where it broke.
 */
export class Session {
  constructor(told) {
    this.told = told;
    this.isOver = false;
    this.isStopped = false;
    this.isListening = false;
  }

  async open({ model, hotwords }) {
    try {
      this.stream = await stream();
      if (this.isOver) return this.release(); // stopped while the browser asked its user
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      if (!this.isOver) this.connect(model, hotwords);
    } catch (error) {
      this.release();
      if (!this.isOver) throw error;
    }
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
    this.socket.onclose = () => this.end({ type: this.isListening ? "lost" : "notConnected" });
  }

  hear(message) {
    if (this.isOver) return;
    if (message.type === "started") this.listen();
    if (message.type === "finished" || message.type === "error") this.end(message);
    else this.told(message);
  }

  listen() {
    this.isListening = true;
    this.node = new AudioWorkletNode(this.context, "pieces", { numberOfOutputs: 0 });
    this.node.port.onmessage = ({ data }) => {
      if (data === null) this.finish();
      else {
        this.send(data.samples.buffer);
        this.told({ type: "level", peak: data.peak });
      }
    };
    this.context.createMediaStreamSource(this.stream).connect(this.node);
    this.context.resume();
    this.stream.getAudioTracks()[0].onended = () => {
      this.told({ type: "unplugged" });
      this.stop();
    };
  }

  send(data) {
    if (this.socket.readyState === WebSocket.OPEN && !this.isFinished) this.socket.send(data);
  }

  /** No more sound; what was said is still recognised. */
  stop() {
    if (this.isStopped) return;
    this.isStopped = true;
    if (!this.isListening) return this.end({ type: "stopped" });
    this.node.port.postMessage("flush");
    setTimeout(() => this.finish(), FLUSH_MS);
    this.stream.getTracks().forEach((track) => track.stop());
  }

  finish() {
    this.send(JSON.stringify({ type: "finish" }));
    this.isFinished = true;
  }

  end(message) {
    if (this.isOver) return;
    this.isOver = true;
    this.release();
    this.told(message);
  }

  release() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.context?.state !== "closed") this.context?.close();
    this.socket?.close();
  }
}
