"""OpenAI's chat request, as far as it is understood here; https://platform.openai.com/docs/api-reference/chat.

Fields that change nothing about an answer (`user`, `metadata`, …) are ignored; those that would and cannot be served
are refused by `refused`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from onethinker.serve.records import RED


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class TextPart(_Lenient):
    type: Literal["text", "input_text"]
    text: str


class Url(_Lenient):
    url: str


class ImagePart(_Lenient):
    type: Literal["image_url"]
    image_url: Url | str


class VideoPart(_Lenient):
    """A clip, as vLLM and SGLang take it."""

    type: Literal["video_url"]
    video_url: Url | str


ContentPart = Annotated[TextPart | ImagePart | VideoPart, Field(discriminator="type")]


class ChatMessage(_Lenient):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart] | None = None


class StreamOptions(_Lenient):
    include_usage: bool = False


class ChatAsked(_Lenient):
    """A chat request."""

    model: str = Field(description="One of /v1/models")
    messages: list[ChatMessage] = Field(min_length=1, description="The last is the user's")
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, description="1 unless given, as OpenAI has it"
    )
    top_p: float | None = Field(None, gt=0, le=1, allow_inf_nan=False)
    n: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    logprobs: bool | None = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    logit_bias: dict[str, float] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    modalities: list[str] | None = None

    def refused(self) -> str:
        """The first field that asks for what is not served here, empty where there is none."""
        asks = {
            "tools": bool(self.tools), "functions": bool(self.functions), "logit_bias": bool(self.logit_bias),
            "response_format": (self.response_format or {}).get("type", "text") != "text",
            "presence_penalty": bool(self.presence_penalty), "frequency_penalty": bool(self.frequency_penalty),
            "modalities": (self.modalities or ["text"]) != ["text"],
        }  # fmt: skip
        return next((name for name, asked in asks.items() if asked), "")

    @property
    def stops(self) -> tuple[str, ...]:
        texts = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(text for text in texts if text)


CHAT_EXAMPLE = {
    "model": "mini-rl",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": RED}},
                {"type": "text", "text": "What colour is the disc?"},
            ],
        }
    ],
    "temperature": 0,
    "max_tokens": 128,
}
