import numpy as np

from specklenn.plugin.labelling.terminal_picture import in_colours, in_letters


def test_half_blocks_show_the_upper_and_the_lower_pixel():
    picture = np.array([[0, 9], [9, 0], [np.nan, 9]], np.float32)

    lines = in_colours(picture, "linear").split("\n")

    first = lines[0].spans[0].style
    assert [line.plain for line in lines[:2]] == ["\N{UPPER HALF BLOCK}" * 2] * 2
    assert first.color.name == "rgb(0,0,4)"
    assert first.bgcolor.name == "rgb(252,255,164)"
    assert lines[1].spans[0].style.color.name == "rgb(75,87,99)"


def test_letters_get_heavier_with_the_photons_where_there_are_no_colours():
    picture = np.array([[0, 9, np.nan], [0, 0, np.nan]], np.float32)

    assert in_letters(picture, "linear").plain == " @x\n"
