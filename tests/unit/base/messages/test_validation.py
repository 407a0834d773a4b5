"""Pydantic's errors become messages, whose English is pydantic's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from anchor.base.messages.message import Message, translate
from anchor.base.messages.validation import describe_fault


class Document(BaseModel):
    """A strict document with one member."""

    model_config = ConfigDict(strict=True, extra="forbid")
    text: Annotated[str, Field(min_length=1, max_length=3, pattern="^[a-z]+$")]


def refuse(*reason: str) -> object:
    def validate(_: object) -> object:
        raise ValueError(*reason)

    return Annotated[object, BeforeValidator(validate)]


def fault_of(kind: Any, value: object, *, strict: bool = True) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value, strict=strict)
    (first, *_) = caught.value.errors(include_url=False, include_input=False)
    return dict(first)


@pytest.mark.parametrize(
    ("kind", "value", "chinese"),
    (
        (Document, {}, "缺少该成员"),
        (Document, {"text": "a", "other": 1}, "格式中没有该成员"),
        (Document, {"text": 1}, "取值应为字符串"),
        (Document, {"text": ""}, "字符串至少 1 个字符"),
        (Document, {"text": "abcd"}, "字符串最多 3 个字符"),
        (Document, {"text": "A"}, "字符串不符合格式 '^[a-z]+$'"),
        (Document, {"text": "\ud800"}, "取值应为字符串，所给内容不是有效的 Unicode 文本"),
        (Document, [], "取值应为一组成员（Document）"),
        (Annotated[str, Field(max_length=1)], "ab", "字符串最多 1 个字符"),
        (Annotated[str, Field(min_length=2)], "a", "字符串至少 2 个字符"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "列表最多 1 项，实有 2 项"),
        (Annotated[list[int], Field(max_length=2)], [1, 2, 3], "列表最多 2 项，实有 3 项"),
        (Annotated[list[int], Field(min_length=1)], [], "列表至少 1 项，实有 0 项"),
        (Annotated[list[int], Field(min_length=2)], [], "列表至少 2 项，实有 0 项"),
        (Annotated[tuple[int, ...], Field(max_length=1)], (1, 2), "元组最多 1 项，实有 2 项"),
        (
            Annotated[dict[str, int], Field(max_length=1)],
            {"a": 1, "b": 2},
            "成员组最多 1 项，实有 更多 项",
        ),
        (list[int], {}, "取值应为列表"),
        (tuple[int, ...], [], "取值应为元组"),
        (dict[str, int], [], "取值应为一组成员"),
        (int, "1", "取值应为整数"),
        (bool, 1, "取值应为布尔值"),
        (float, "1", "取值应为数"),
        (None, 1, "取值应为空"),
        (Annotated[int, Field(gt=0)], 0, "取值应大于 0"),
        (Annotated[int, Field(ge=1)], 0, "取值应不小于 1"),
        (Annotated[int, Field(lt=2**48)], 2**48, f"取值应小于 {2**48}"),
        (Annotated[float, Field(gt=0, le=0.5)], 0.6, "取值应不大于 0.5"),
        (Annotated[float, Field(gt=0)], 0, "取值应大于 0"),
        (Annotated[float, Field(allow_inf_nan=False)], float("nan"), "取值应为有限的数"),
        (Literal["a"], "x", "取值应为 'a'"),
        (Literal["a", "b", "c"], "x", "取值应为 'a', 'b' 或 'c'"),
    ),
)
def test_a_fault_is_pydantics_english_and_has_a_chinese_text(
    kind: Any, value: object, chinese: str
):
    fault = fault_of(kind, value)
    message = describe_fault(fault)
    assert message == fault["msg"]
    assert translate(message, "zh") == chinese


@pytest.mark.parametrize(
    ("kind", "value"),
    ((int, "x"), (int, 1.5), (int, "9" * 5_000), (bool, "x"), (float, "x")),
)
def test_text_that_is_converted_has_its_own_messages(kind: type, value: object):
    fault = fault_of(kind, value, strict=False)
    message = describe_fault(fault)
    assert message == fault["msg"]
    assert translate(message, "zh") != message


def test_a_fault_of_another_kind_keeps_pydantics_words():
    fault = fault_of(bytes, 1)
    assert describe_fault(fault) == fault["msg"]
    assert describe_fault(fault).operands == {"reason": fault["msg"]}


def test_a_validators_own_message_is_the_whole_message():
    message = describe_fault(fault_of(refuse(Message("member-null")), None))
    assert message == "must not be null; leave the member out if there is no value"
    assert translate(message, "zh") == "不得为 null；没有时应省略该成员"


def test_a_validators_other_words_are_kept():
    assert describe_fault(fault_of(refuse("no"), None)) == "Value error, no"
    assert describe_fault(fault_of(refuse(), None)) == "Value error, "


def test_the_value_is_left_out():
    assert "s3cret" not in describe_fault(fault_of(Annotated[str, Field(max_length=1)], "s3cret"))
