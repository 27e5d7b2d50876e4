"""Which files of a directory are taken for recordings."""

__all__ = ["MEDIA_SUFFIXES"]

MEDIA_SUFFIXES = frozenset(
    (
        *(".aac", ".ac3", ".aif", ".aiff", ".amr", ".ape", ".au", ".caf", ".flac", ".m4a", ".m4b"),
        *(".mka", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".spx", ".tta", ".voc", ".w64", ".wav"),
        *(".wma", ".wv"),
        *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    )
)
"""Extensions of the files of a directory that are taken for recordings, in lower case."""
