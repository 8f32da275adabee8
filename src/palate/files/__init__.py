"""Models as files: `save` and `load`, and folders for other tools. A model does not know its file."""

from palate.files.checkpoint import Checkpoint
from palate.files.folders import export, import_folder
from palate.files.model_file import load, save

__all__ = ["Checkpoint", "export", "import_folder", "load", "save"]
