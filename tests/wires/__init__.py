# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A mutation check: each wire of the charms is cut, and a case has to detect it.

A wire is an argument that hands a value on: to a struct, dataclass or pydantic model of the
library, by keyword to one of its functions, to `replace` of structs or dataclasses, or to
`model_copy`. Cut, it is left out, or an empty value of its type stands for it. The cases are those
of `tests/unit/whole_charm`.

`_calls` finds the calls while modules are imported, `_switch` cuts, `_wires` lists all wires, and
`_check` runs the cases.
"""
