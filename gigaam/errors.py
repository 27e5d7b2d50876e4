"""Everything gigaam raises on purpose, as one tree.

    GigaAMError
    ├── AudioError                     (ValueError)        the samples cannot be used
    │   ├── AudioDecodingError         (RuntimeError)      FFmpeg cannot decode the source
    │   ├── AudioFileNotFoundError     (FileNotFoundError, RuntimeError)  no such recording
    │   └── AudioTooLongError                              over the limit of a single pass
    ├── ModelError                     (ValueError)        the model cannot do what was asked
    │   ├── UnknownModelError                              no such name, file or directory
    │   └── WrongTaskError             (AttributeError)    it is a model for another task
    ├── CheckpointError                (ValueError)        a model file is not what it should be
    │   ├── UnsafeCheckpointError                          … and would have to run code to load
    │   └── TokenizerNotFoundError     (FileNotFoundError) … or lacks its SentencePiece model
    ├── ExportError                    (RuntimeError)      an exported model differs from its model
    ├── DownloadError                  (RuntimeError)      a model cannot be fetched
    │   ├── OfflineError                                   … because the network is switched off
    │   └── ChecksumError              (AssertionError)    … or is not the published file
    ├── DatasetError                   (ValueError)        training data is not what it should be
    ├── BulkError                      (RuntimeError)      a bulk run cannot begin or go on
    │   └── UnreachableError           (ConnectionError)   … as a store does not answer
    ├── ArgumentError                  (ValueError)        a parameter of a call is out of its range
    └── MissingDependencyError         (ImportError)       a package is not installed, or too old

Each leaf is also the builtin that code written for the published package catches.
"""


class GigaAMError(Exception):
    """Root of every error raised on purpose by this library."""


class AudioError(GigaAMError, ValueError):
    """The audio is empty, not finite, wrongly scaled or wrongly described."""


class AudioDecodingError(AudioError, RuntimeError):
    """The source cannot be decoded as audio."""


class AudioFileNotFoundError(AudioError, FileNotFoundError, RuntimeError):
    """The audio path does not exist."""


class AudioTooLongError(AudioError):
    """The recording is too long for one pass; use ``transcribe_longform``."""


class ModelError(GigaAMError, ValueError):
    """The model cannot do what was asked of it."""


class UnknownModelError(ModelError):
    """The name is neither a published model nor an existing file or directory."""


class WrongTaskError(ModelError, AttributeError):
    """The model is for another task: it has no such method."""


class CheckpointError(GigaAMError, ValueError):
    """A checkpoint cannot be read, or does not describe a model of this library."""


class ExportError(GigaAMError, RuntimeError):
    """An exported model does not compute what the model does; nothing was written."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint holds objects other than data, and was refused unread."""


class TokenizerNotFoundError(CheckpointError, FileNotFoundError):
    """A checkpoint needs a SentencePiece model that is not beside it."""


class DownloadError(GigaAMError, RuntimeError):
    """A model file cannot be downloaded."""


class OfflineError(DownloadError):
    """A model is not in the cache and ``GIGAAM_OFFLINE`` forbids fetching it."""


class ChecksumError(DownloadError, AssertionError):
    """A downloaded file differs from the published one."""


class DatasetError(GigaAMError, ValueError):
    """A manifest or a recording of a training set cannot be used."""


class BulkError(GigaAMError, RuntimeError):
    """A bulk run cannot begin or go on; what it has done already is kept."""


class UnreachableError(BulkError, ConnectionError):
    """A store of recordings or results does not answer, though it was asked several times."""


class ArgumentError(GigaAMError, ValueError):
    """A parameter of a call has a value that it cannot take."""


class MissingDependencyError(GigaAMError, ImportError):
    """A package is missing or too old; the message says how to install it."""


class AudioWarning(UserWarning):
    """Part of a recording was not used: it is cut short, damaged, or not what was asked for."""
