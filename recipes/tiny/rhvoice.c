/* Speaks with RHVoice: a Windows program, since PyPI has the library for Windows only; run by Wine.

   rhvoice.exe DATA CONFIG <orders >sound

   An order is a line "voice <TAB> rate <TAB> pitch <TAB> text", UTF-8; rate and pitch are relative
   to the voice's own. Each is answered by two 32-bit numbers, the sample rate and how many samples
   there are, and by these, int16; all in the processor's order. */

#include <fcntl.h>
#include <io.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* The library's interface, as version 1 of it lays its structures out. */
typedef struct {
    int (*set_sample_rate)(int rate, void *user);
    int (*play_speech)(const short *samples, unsigned count, void *user);
    int (*process_mark)(const char *name, void *user);
    int (*word_starts)(unsigned position, unsigned length, void *user);
    int (*word_ends)(unsigned position, unsigned length, void *user);
    int (*sentence_starts)(unsigned position, unsigned length, void *user);
    int (*sentence_ends)(unsigned position, unsigned length, void *user);
    int (*play_audio)(const char *source, void *user);
    void (*done)(void *user);
} Callbacks;

typedef struct {
    const char *data_path, *config_path;
    const char **resource_paths;
    Callbacks callbacks;
    unsigned options;
} EngineParameters;

typedef struct {
    const char *voice_profile;
    double absolute_rate, absolute_pitch, absolute_volume;
    double relative_rate, relative_pitch, relative_volume;
    int punctuation_mode;
    const char *punctuation_list;
    int capitals_mode;
    int flags;
} SpeechParameters;

typedef void *(*NewEngine)(const EngineParameters *);
typedef void *(*NewMessage)(void *engine, const char *text, unsigned length, int kind,
                            const SpeechParameters *, void *user);
typedef int (*Speak)(void *message);
typedef void (*DeleteMessage)(void *message);

enum { MOST_BYTES = 1 << 16, PLAIN_TEXT = 0 };

static short *samples;
static uint32_t n_samples, n_allotted;
static int32_t sample_rate;

static int set_sample_rate(int rate, void *user) {
    (void)user;
    sample_rate = rate;
    return 1;
}

static int play_speech(const short *some, unsigned count, void *user) {
    (void)user;
    if (n_samples + count > n_allotted) {
        n_allotted = 2 * (n_samples + count);
        samples = realloc(samples, n_allotted * sizeof *samples);
        if (!samples) exit(4);
    }
    memcpy(samples + n_samples, some, count * sizeof *some);
    n_samples += count;
    return 1;
}

static void *function(HMODULE library, const char *name) {
    void *found = (void *)GetProcAddress(library, name);
    if (!found) {
        fprintf(stderr, "RHVoice.dll has no %s\n", name);
        exit(1);
    }
    return found;
}

int main(int count, char **arguments) {
    static char line[MOST_BYTES];
    HMODULE library = LoadLibraryA("RHVoice.dll");
    if (count != 3 || !library) {
        fprintf(stderr, "rhvoice.exe DATA CONFIG, beside RHVoice.dll\n");
        return 1;
    }
    NewEngine new_engine = (NewEngine)function(library, "RHVoice_new_tts_engine");
    NewMessage new_message = (NewMessage)function(library, "RHVoice_new_message");
    Speak speak = (Speak)function(library, "RHVoice_speak");
    DeleteMessage delete_message = (DeleteMessage)function(library, "RHVoice_delete_message");

    const char *no_resources[] = {NULL};
    EngineParameters parameters = {arguments[1], arguments[2], no_resources,
                                   {.set_sample_rate = set_sample_rate, .play_speech = play_speech},
                                   0};
    void *engine = new_engine(&parameters);
    if (!engine) {
        fprintf(stderr, "RHVoice finds no voices in %s\n", arguments[1]);
        return 2;
    }
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    while (fgets(line, sizeof line, stdin)) {
        char *rate = strchr(line, '\t'), *pitch = rate ? strchr(rate + 1, '\t') : NULL;
        char *text = pitch ? strchr(pitch + 1, '\t') : NULL;
        if (!text) {
            fprintf(stderr, "no order: %s\n", line);
            return 3;
        }
        *rate++ = *pitch++ = *text++ = 0;
        text[strcspn(text, "\r\n")] = 0;
        SpeechParameters speech = {.voice_profile = line,
                                   .relative_rate = atof(rate),
                                   .relative_pitch = atof(pitch),
                                   .relative_volume = 1,
                                   .flags = 1};
        n_samples = 0;
        void *message =
            new_message(engine, text, (unsigned)strlen(text), PLAIN_TEXT, &speech, NULL);
        if (message) {
            speak(message);
            delete_message(message);
        }
        uint32_t head[] = {(uint32_t)sample_rate, n_samples};
        fwrite(head, sizeof head, 1, stdout);
        fwrite(samples, sizeof *samples, n_samples, stdout);
        fflush(stdout);
    }
    return 0;
}
