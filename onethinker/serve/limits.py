"""How much one request, and all requests together, may cost."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Bounds of a server; a request beyond one is refused with a sentence that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_bytes: int = Field(64 << 20, gt=0, description="bytes of a request's body")
    open_bytes: int = Field(512 << 20, gt=0, description="bytes of the bodies of all requests under way")
    upload_seconds: float = Field(60.0, gt=0, description="seconds in which a request's body must be there")
    header_seconds: float = Field(10.0, gt=0, description="seconds in which a request's headers must be there")
    send_seconds: float = Field(30.0, gt=0, description="seconds a client may leave a piece of the reply unread")
    connections: int = Field(1024, gt=0, description="open connections")
    queue: int = Field(256, gt=0, description="requests under way; more are told to come back (429)")
    batch: int = Field(64, gt=0, description="answers decoded together")
    media: int = Field(16, gt=0, description="pictures and clips of a request")
    media_bytes: int = Field(48 << 20, gt=0, description="bytes of one picture or clip")
    pixels: int = Field(50_000_000, gt=0, description="pixels of a picture, or of one frame of a clip")
    frames: int = Field(20_000, gt=0, description="frames of a clip")
    seconds: float = Field(600.0, gt=0, description="seconds that a clip lasts")
    decode_seconds: float = Field(20.0, gt=0, description="seconds that decoding one picture or clip may take")
    decode_bytes: int = Field(2 << 30, gt=0, description="bytes of memory that decoding may take")
    decoders: int = Field(2, gt=0, description="processes that decode")
    question: int = Field(20_000, gt=0, description="characters of a question, its choices included")
    answers: int = Field(16, gt=0, description="answers to one question (n)")
    max_tokens: int = Field(4096, gt=0, description="tokens of an answer that may be asked for")
    result_seconds: float = Field(3600.0, gt=0, description="seconds for which a result can be fetched again")
    results: int = Field(5000, gt=0, description="results kept; the oldest go first")
    result_bytes: int = Field(4 << 30, gt=0, description="bytes of all results kept; the oldest go first")
    report_bytes: int = Field(
        64 << 20, gt=0, description="bytes of a run's report, of one step's rollouts, or of its data"
    )
    watches: int = Field(4, ge=0, description="live sources watched at one time")
    watch_seconds: float = Field(3600.0, gt=0, description="seconds for which a source is watched")
    watch_idle: float = Field(60.0, gt=0, description="seconds after which a watch that nobody follows ends")
    watch_questions: int = Field(8, gt=0, description="questions of one watch")
    listeners: int = Field(64, gt=0, description="who may follow one watch")
