"""The one error every floor of Earmark raises on purpose."""


class EarmarkError(Exception):
    """A failure a person can act on.

    `error_id` is stable and reads from the general to the particular (`corpus:audio:unreadable`), `message`
    names the offending value and the reason, `hint` says who must do what. `str(error)` is what a person
    reads.
    """

    def __init__(self, error_id: str, message: str, hint: str = "") -> None:
        super().__init__(error_id, message, hint)
        self.error_id = error_id
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()
