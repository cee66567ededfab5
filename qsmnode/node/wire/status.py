"""C-STORE and C-ECHO status codes (PS3.7 annex C, PS3.4 table B.2-1) in words."""

from __future__ import annotations

SUCCESS = 0x0000
DUPLICATE = 0x0111
INVALID_INSTANCE = 0x0117
CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNISED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700
NOT_THE_CLASS = 0xA900
NOT_UNDERSTOOD = 0xC000

_EXACT = {
    SUCCESS: "success",
    0x0001: "success, with a warning",
    0x0106: "invalid attribute value",
    0x0107: "success, some attributes were not used",
    0x0110: "processing failure",
    DUPLICATE: "it has an object with this UID already",
    0x0112: "no such object",
    0x0116: "success, an attribute value is out of range",
    INVALID_INSTANCE: "invalid SOP Instance UID",
    CLASS_NOT_SUPPORTED: "SOP class not supported",
    0x0124: "not authorised",
    0x0210: "duplicate message",
    UNRECOGNISED_OPERATION: "operation not recognised",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
}
_CLASSES = ((0xA700, "out of resources"), (0xA900, "data set does not match its SOP class"))


def describe(status: int) -> str:
    """A status as code and words: ``0xA700, out of resources``."""
    words = _EXACT.get(status)
    if words is None and 0xB000 <= status <= 0xBFFF:
        words = "stored, with a warning"
    if words is None and 0xC000 <= status <= 0xCFFF:
        words = "cannot understand the object"
    if words is None:
        words = next((name for base, name in _CLASSES if base <= status <= base + 0xFF), "unknown status")
    return f"0x{status:04X}, {words}"
