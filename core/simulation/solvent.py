"""Which residues of a structure file are solvent: waters, and ions dissolved in it.

Molecular dynamics writes the whole box, with names of its own for both. Some of these
are other molecules elsewhere (CLA is chloride, or chlorophyll; T3P a water, or
thymidine phosphate), so the atoms are looked at as well.
"""

from __future__ import annotations

import re
from typing import Any, Literal

WATERS = frozenset(
    "HOH WAT H2O HHO DOD D2O TIP TIP2 TIP3 TIP4 TIP5 TP3 TP4 TP5 T3P T4P T4E T4H T5P "
    "SOL SOLV SPC SPCE SPE OPC OPC3 OH2 OW SWM4 SWM6 W WW".split()
)
"""Names of waters in the PDB, Amber, CHARMM, GROMACS, Desmond and others."""

IONS = frozenset(
    "NA NA1 SOD NIO CIP K K1 POT KIO LI LI1 LIT RB RUB CS CES CIO MG MG2 CA CA2 CAL "
    "BA BAR SR F FL CL CL1 CLA CIM BR BRO I IOD IB".split()
)
"""Names of what is dissolved: alkali and alkaline earth metals, halogens.

Other metals, as zinc and iron, are bound to the molecule and belong to it.
"""

CHARGE = re.compile(r"[0-9]*[+-]+[0-9]*$")
WATER_ELEMENTS = frozenset(("O", "H", "D", "X"))
VIRTUAL_SITES = frozenset("M MW OM EP EPW EP1 EP2 LP LP1 LP2 LPW".split())


def solvent_kind(residue: Any) -> Literal["water", "ion"] | None:
    """Return what kind of solvent a gemmi.Residue is; None if it is none."""
    if residue.is_water():
        return "water"
    name = residue.name.upper()
    if name in WATERS:
        return "water" if all(map(_of_water, residue)) else None
    if _without_charge(name) in IONS:
        named = all(_without_charge(atom.name.upper()) in IONS for atom in residue)
        return "ion" if named else None
    return None


def _of_water(atom: Any) -> bool:
    # Files without a column of elements leave them to be guessed from the names.
    return atom.element.name in WATER_ELEMENTS or atom.name.upper() in VIRTUAL_SITES


def _without_charge(name: str) -> str:
    return CHARGE.sub("", name)
