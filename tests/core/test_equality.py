"""What holds arrays is compared by identity: numpy gives no truth value for `==`."""

import ast
from pathlib import Path

import streamfuse

ARRAYS = {"Map", "Plane", "Tensor", "NDArray", "Array", "Vector", "Luma", "Rgb"}


def test_dataclasses_that_hold_arrays_do_not_compare_them():
    found = []
    for path in Path(streamfuse.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            made = [text for text in decorators if text.startswith("dataclass")]
            fields = [part.annotation for part in node.body if isinstance(part, ast.AnnAssign)]
            held = {
                name.attr if isinstance(name, ast.Attribute) else name.id
                for field in fields
                for name in ast.walk(field)
                if isinstance(name, ast.Name | ast.Attribute)
            }
            if made and held & ARRAYS and "eq=False" not in made[0]:
                found.append(f"{path.name}: {node.name}")
    assert found == []
