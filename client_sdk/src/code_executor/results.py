"""What ``execute`` returns."""

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from google.protobuf.message import Message

from code_executor.v1.executor_pb2 import ExecuteResponse

# For a type checker a result has the fields of the response, typed and documented where the proto
# has them; at run time they are looked up in the message. So there is no second list of fields.
if TYPE_CHECKING:
    _ResponseFields = ExecuteResponse
else:
    _ResponseFields = object

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, repr=False)
class ExecutionResult(_ResponseFields):  # type: ignore[misc]  # generated classes are final
    """What one program did: every field of ``ExecuteResponse``, and :attr:`ok`.

    It can be compared and pickled. The protobuf message itself is :attr:`message`.

    >>> with Client("localhost:50051") as client:
    ...     result = client.execute(language="python", code="import sys; sys.exit(3)")
    >>> result.ok, result.exit_code, Status.Name(result.status)
    (False, 3, 'RUNTIME_ERROR')
    """

    message: ExecuteResponse
    """The response as it came, for everything that wants a protobuf message."""

    @property
    def ok(self) -> bool:
        """The program ran to its end with exit code 0, inside all limits."""
        return self.message.status == ExecuteResponse.OK

    if not TYPE_CHECKING:  # else every misspelt field would be one that exists

        def __getattr__(self, name: str) -> Any:
            # "message" is asked for here only before it is set, while a pickle is being restored,
            # and the protocols of the language (__deepcopy__) must not act on the message instead
            if name == "message" or name.startswith("__"):
                raise AttributeError(name)
            return getattr(self.message, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self.message)})

    def __repr__(self) -> str:
        shown = [f"status={_status_name(self.message.status)}"]
        shown += [
            f"{field.name}={_shown(value)}"
            for field, value in self.message.ListFields()
            if field.name != "status"
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def _status_name(number: int) -> str:
    known = ExecuteResponse.Status.DESCRIPTOR.values_by_number
    # a newer server may have verdicts that this client does not know by name
    return known[number].name if number in known else str(number)


def _shown(value: Any) -> str:
    if isinstance(value, Message):
        return _shortened("{" + text_format.MessageToString(value, as_one_line=True) + "}")
    return _shortener.repr(value)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 4] + "...}"


_shortener = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = _SHOWN_CHARACTERS
