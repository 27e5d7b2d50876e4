/* Speaks lines with RHVoice's library for Windows, which is the one that PyPI has.

   rhvoice.exe DATA CONFIGURATION FOLDER < lines "name<TAB>voice<TAB>rate<TAB>pitch<TAB>text"

   writes FOLDER/name.raw for each line, in UTF-8: mono, 16 bits, 24 kHz.
   x86_64-w64-mingw32-gcc -O2 rhvoice.c -o rhvoice.exe; RHVoice.dll beside it; wine64 runs it. */

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* The structures of RHVoice's C interface (src/include/RHVoice.h), as far as they matter. */
struct callbacks {
    int (*set_sample_rate)(int, void *);
    int (*play_speech)(const short *, unsigned, void *);
    void *not_wanted[7];
};
struct engine_options {
    const char *data, *configuration;
    const char **resources;
    struct callbacks callbacks;
    unsigned flags;
};
struct speech_options {
    const char *voice;
    double absolute_rate, absolute_pitch, absolute_volume, rate, pitch, volume;
    int punctuation;
    const char *punctuation_list;
    int capitals, flags;
};

static FILE *out;

static int sample_rate(int rate, void *user) { return rate == 24000; }

static int play(const short *samples, unsigned count, void *user) {
    return fwrite(samples, 2, count, out) == count;
}

static void *found(HMODULE library, const char *name) {
    void *function = (void *)GetProcAddress(library, name);
    if (!function) { fprintf(stderr, "RHVoice.dll has no %s\n", name); exit(1); }
    return function;
}

int main(int count, char **arguments) {
    HMODULE library = LoadLibraryA("RHVoice.dll");
    if (!library || count != 4) { fprintf(stderr, "no RHVoice.dll, or wrong arguments\n"); return 1; }
    void *(*new_engine)(const struct engine_options *) = found(library, "RHVoice_new_tts_engine");
    void *(*new_message)(void *, const char *, unsigned, int, const struct speech_options *, void *) =
        found(library, "RHVoice_new_message");
    int (*speak)(void *) = found(library, "RHVoice_speak");
    void (*delete_message)(void *) = found(library, "RHVoice_delete_message");

    const char *none[] = {NULL};
    struct engine_options options = {arguments[1], arguments[2], none, {sample_rate, play}, 0};
    void *engine = new_engine(&options);
    if (!engine) { fprintf(stderr, "RHVoice does not start\n"); return 1; }

    static char line[1 << 16];
    _setmode(_fileno(stdin), _O_BINARY);
    while (fgets(line, sizeof line, stdin)) {
        char *cells[5] = {strtok(line, "\t")};
        for (int i = 1; i < 5; i++) cells[i] = strtok(NULL, "\t\r\n");
        if (!cells[4]) { fprintf(stderr, "a line has too few cells\n"); return 1; }
        struct speech_options how = {cells[1], .rate = atof(cells[2]), .pitch = atof(cells[3]),
                                     .volume = 1, .flags = 1};
        char path[1024];
        snprintf(path, sizeof path, "%s/%s.raw", arguments[3], cells[0]);
        out = fopen(path, "wb");
        void *message = out ? new_message(engine, cells[4], strlen(cells[4]), 0, &how, NULL) : NULL;
        if (!message || !speak(message)) { fprintf(stderr, "cannot speak %s\n", cells[0]); return 1; }
        delete_message(message);
        fclose(out);
    }
    return 0;
}
