"""Short-lived tokens: JSON Web Tokens (RFC 7519) that a key signs, with some of the key's rights.

Nothing of them is kept: they end by themselves, or with their key. Knows nothing of requests.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jwt

from visavis_models.errors import BadInput
from visavis_server.access.grants import Grant, Scope, check_binding, forbidden, read_scopes, unauthorized
from visavis_server.access.keys import AccessKey, KeyStore

ISSUER = "visavis"
_ALGORITHM = "HS256"
_SKEW_S = 30.0
"""Clocks of those who sign may be so far ahead."""
MAX_TOKEN_CHARACTERS = 2048
_MAX_NAME_CHARACTERS = 100


def looks_like_token(text: str) -> bool:
    """Whether it has the shape of a token; a key has not."""
    return text.count(".") == 2 and len(text) <= MAX_TOKEN_CHARACTERS


def sign(
    key: AccessKey,
    scopes: frozenset[Scope],
    lasts_s: float,
    now_s: float,
    *,
    avatar: str | None = None,
    session: str | None = None,
) -> str:
    """A token with some of a key's rights.

    Args:
        key: signs.
        scopes: some of the key's.
        lasts_s: from now.
        now_s: seconds since 1970.
        avatar: only this one; None: as the key has it.
        session: only the session of this id, watch id or show's name.

    Raises:
        BadRequest: `forbidden`, the key has less.
        BadInput: `bad_scope`, see `check_binding`.
    """
    bound = key.avatar if avatar is None else avatar
    if not scopes <= key.grant.scopes and "manage" not in key.scopes:
        raise forbidden("A token cannot have more scopes than its key.")
    if key.avatar is not None and bound != key.avatar:
        raise forbidden("This key is for another avatar.")
    check_binding(scopes, bound, session)
    until_s = now_s + lasts_s if key.expires_s is None else min(now_s + lasts_s, key.expires_s)
    claims: dict[str, Any] = {
        "iss": ISSUER, "iat": int(now_s), "exp": int(until_s), "jti": secrets.token_urlsafe(9),
        "scope": " ".join(sorted(scopes)),
    }  # fmt: skip
    claims.update({name: text for name, text in (("avatar", bound), ("session", session)) if text is not None})
    return jwt.encode(claims, bytes.fromhex(key.signer), _ALGORITHM, headers={"kid": key.id})


def grant_of_token(text: str, keys: KeyStore, now_s: float, max_token_s: float) -> Grant:
    """What a token allows now.

    Args:
        text: as it came.
        keys: who may sign.
        now_s: seconds since 1970.
        max_token_s: made to last longer than this, it is worth nothing.

    Raises:
        BadRequest: `unauthorized`: it is none of ours, was altered or has expired, or its key is gone.
        StorageError: the keys cannot be read.
    """
    if not looks_like_token(text):
        raise unauthorized("This is no key or token of this server.")
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        key = keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise unauthorized("The key of this token does not exist, or not any more.")
        claims = jwt.decode(
            text,
            bytes.fromhex(key.signer),
            algorithms=[_ALGORITHM],
            issuer=ISSUER,
            options={"require": ["exp", "iat", "iss", "scope"], "verify_exp": False, "verify_iat": False},
        )
        return _checked(claims, key, now_s, max_token_s)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError, BadInput) as error:
        if isinstance(error, BadInput) and error.code == "unauthorized":
            raise
        raise unauthorized("This is no key or token of this server.") from None


def _checked(claims: Mapping[str, Any], key: AccessKey, now_s: float, max_token_s: float) -> Grant:
    issued_s, expires_s, scope = claims["iat"], claims["exp"], claims["scope"]
    for moment in (issued_s, expires_s):
        if not isinstance(moment, int | float) or isinstance(moment, bool) or not math.isfinite(moment):
            raise unauthorized("This is no key or token of this server.")
    if now_s >= expires_s:
        raise unauthorized("This token has expired.")
    if issued_s > now_s + _SKEW_S:
        raise unauthorized("This token is of the future: set the clock of who made it.")
    if expires_s - issued_s > max_token_s + _SKEW_S:
        raise unauthorized("This token was made to last longer than this server allows.")
    if not isinstance(scope, str):
        raise unauthorized("This is no key or token of this server.")
    scopes = read_scopes(scope.split())
    if not scopes <= key.scopes and "manage" not in key.scopes:
        raise unauthorized("This token claims more than its key has.")
    avatar, session = _name(claims.get("avatar")), _name(claims.get("session"))
    if key.avatar is not None and avatar != key.avatar:
        raise unauthorized("This token claims more than its key has.")
    check_binding(scopes, avatar, session)
    return replace(key.grant, scopes=scopes, avatar=avatar, session=session, expires_s=float(expires_s))


def _name(claimed: object) -> str | None:
    if claimed is None:
        return None
    if not isinstance(claimed, str) or not 0 < len(claimed) <= _MAX_NAME_CHARACTERS:
        raise unauthorized("This is no key or token of this server.")
    return claimed
