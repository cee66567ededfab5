"""Status codes (PS3.7 annex C, PS3.4 table B.2-1) and failure reasons (PS3.3 C.14) in words."""

from __future__ import annotations

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
DUPLICATE = 0x0111
NO_SUCH_OBJECT = 0x0112
NO_SUCH_EVENT = 0x0113
INVALID_ARGUMENT = 0x0115
INVALID_INSTANCE = 0x0117
NO_SUCH_CLASS = 0x0118
CLASS_CONFLICT = 0x0119
CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORISED = 0x0124
DUPLICATE_TRANSACTION = 0x0131
UNRECOGNISED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
NOT_THE_CLASS = 0xA900
NOT_UNDERSTOOD = 0xC000

_EXACT = {
    SUCCESS: "success",
    0x0001: "success, with a warning",
    0x0106: "invalid attribute value",
    0x0107: "success, some attributes were not used",
    PROCESSING_FAILURE: "processing failure",
    DUPLICATE: "it has an object with this UID already",
    NO_SUCH_OBJECT: "no such object",
    NO_SUCH_EVENT: "no such event type",
    INVALID_ARGUMENT: "invalid argument",
    0x0116: "success, an attribute value is out of range",
    INVALID_INSTANCE: "invalid SOP Instance UID",
    NO_SUCH_CLASS: "no such SOP class",
    CLASS_CONFLICT: "an object of another SOP class has this UID",
    CLASS_NOT_SUPPORTED: "SOP class not supported",
    NO_SUCH_ACTION: "no such action",
    NOT_AUTHORISED: "not authorised",
    DUPLICATE_TRANSACTION: "this transaction UID is in use",
    0x0210: "duplicate message",
    UNRECOGNISED_OPERATION: "operation not recognised",
    0x0212: "mistyped argument",
    RESOURCE_LIMITATION: "resource limitation",
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
