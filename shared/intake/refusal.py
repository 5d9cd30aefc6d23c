"""Why a file is not taken: a code for programs and a sentence for people."""


class Refusal(Exception):
    """The file is not taken."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
