"""Moods as clients set and see them: REST below /v1/sessions/{id}/mood, the list of presets, and the message's fields.

The same fields go over REST, signalling, the agents' WebSocket and the data channel. Knows nothing of faces.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from visavis_models.behaviour.presets import preset_of, presets
from visavis_models.mood import EMOTIONS, Emotion, Feeling, Mood
from visavis_server.api.errors import documented
from visavis_server.registry import SessionRegistry

Strength = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class MoodFields(BaseModel):
    """What is to change of a mood; what is left out stays."""

    model_config = ConfigDict(strict=True, extra="forbid")

    emotion: Annotated[
        Emotion | None, Field(description=f"One of {', '.join(EMOTIONS)}; neutral: as the preset has it")
    ] = None
    strength: Annotated[Strength | None, Field(description="0 to 1")] = None
    from_voice: Annotated[
        bool | None, Field(description="Show what the voice's energy, pitch and rate sound like, where that is clear")
    ] = None
    preset: Annotated[str | None, Field(max_length=40, description="One of GET /v1/moods; empty: none")] = None


class MoodBody(BaseModel):
    """How an avatar is to be."""

    emotion: Emotion
    strength: float
    from_voice: bool
    preset: str


class PresetBody(BaseModel):
    """One way to be that has a name."""

    id: str
    title: str
    about: str


class MoodsBody(BaseModel):
    """What there is to choose from."""

    emotions: list[Emotion]
    presets: list[PresetBody]


def changed_mood(mood: Mood, change: MoodFields) -> Mood:
    """A mood after a change.

    Raises:
        BadInput: `bad_preset`.
    """
    felt = mood.feeling
    emotion = felt.emotion if change.emotion is None else change.emotion
    strength = felt.strength if change.strength is None else change.strength
    from_voice = mood.from_voice if change.from_voice is None else change.from_voice
    preset = mood.preset if change.preset is None else change.preset
    preset_of(preset)
    return Mood(Feeling(emotion, strength), from_voice, preset)


def mood_body(mood: Mood) -> MoodBody:
    """A mood as clients see it."""
    felt = mood.feeling
    return MoodBody(
        emotion=felt.emotion, strength=round(felt.strength, 4), from_voice=mood.from_voice, preset=mood.preset
    )


def mood_message(mood: Mood) -> dict[str, Any]:
    """The mood has changed."""
    return {"type": "mood", **mood_body(mood).model_dump()}


def mood_routes(registry: SessionRegistry) -> APIRouter:
    """The routes /v1/moods and /v1/sessions/{id}/mood."""
    routes = APIRouter(tags=["Moods"])

    @routes.get("/v1/moods", summary="Emotions and presets to choose from")
    async def list_moods() -> MoodsBody:
        known = [PresetBody(id=one.id, title=one.title, about=one.about) for one in presets().values()]
        return MoodsBody(emotions=list(EMOTIONS), presets=known)

    @routes.get("/v1/sessions/{id}/mood", summary="How the avatar is to be", responses=documented(404))
    async def get_mood(id: str) -> MoodBody:
        return mood_body(registry.get(id).session.mood)

    @routes.patch("/v1/sessions/{id}/mood", summary="Change emotion or preset", responses=documented(400, 404, 422))
    async def change_mood(id: str, change: MoodFields) -> MoodBody:
        call = registry.get(id)
        call.set_mood(changed_mood(call.session.mood, change))
        return mood_body(call.session.mood)

    return routes
