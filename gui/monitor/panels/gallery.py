"""The newest examples of every class, as large as the area allows."""

from __future__ import annotations

from pyqtgraph.Qt import QtGui, QtWidgets

from specklenn.gui.common.elided_label import ElidedLabel
from specklenn.gui.common.pattern_image import colour_table, pattern_image
from specklenn.gui.common.theme import ClassStyle
from specklenn.gui.monitor.examples import EXAMPLES_PER_CLASS
from specklenn.gui.monitor.panels.thumbnail import Thumbnail
from specklenn.gui.monitor.panels.thumbnail_grid import ThumbnailGrid, fitting_grid
from specklenn.gui.monitor.view import SeenExample

GAP = 6
EDGE = 8
BAR = 5
LARGEST_SPARE = 24

Images = dict[tuple[str, int, int], QtGui.QImage]


class GalleryRow:
    """Title and thumbnails of one class; collapsed while it has no example."""

    def __init__(self, parent: QtWidgets.QWidget, name: str, style: ClassStyle) -> None:
        self.name = name
        self.bar = QtWidgets.QFrame(parent)
        self.bar.setStyleSheet(f"background: {style.colour}; border-radius: 2px;")
        self.title = ElidedLabel(name, bold=True)
        self.note = ElidedLabel("no examples yet", muted=True)
        self.title.setParent(parent)
        self.note.setParent(parent)
        self.thumbnails = [
            Thumbnail(parent, style.colour) for _ in range(EXAMPLES_PER_CLASS)
        ]
        self.expanded = False
        for widget in (self.bar, self.title, self.note):
            widget.show()

    @property
    def held(self) -> bool:
        """Whether the mouse is over it, so that nothing may move."""
        return any(thumbnail.underMouse() for thumbnail in self.thumbnails)

    def set_examples(self, seen: tuple[SeenExample, ...], images: Images) -> None:
        """Show examples, newest first."""
        for place, thumbnail in enumerate(self.thumbnails):
            if place < len(seen):
                thumbnail.set_example(seen[place], images[seen[place].key])
            else:
                thumbnail.clear()
        self.expanded = bool(seen)
        self.note.set_text("newest first" if seen else "no examples yet")

    def set_held(self) -> None:
        """Say that the row waits for the mouse to leave."""
        self.note.set_text("held while the mouse is here")

    def place(
        self, top: int, width: int, title: int, caption: int, grid: ThumbnailGrid
    ) -> int:
        """Lay everything out below `top`; returns where the next row begins."""
        self.bar.setGeometry(EDGE, top + 3, BAR, title - 6)
        words = EDGE + 2 * BAR
        wide = min(self.title.sizeHint().width(), width - words - EDGE)
        self.title.setGeometry(words, top, wide, title)
        left = words + wide + 2 * EDGE
        self.note.setGeometry(left, top, max(0, width - left - EDGE), title)
        for number, thumbnail in enumerate(self.thumbnails):
            line, column = divmod(number, grid.columns)
            thumbnail.setVisible(self.expanded)
            thumbnail.setGeometry(
                EDGE + column * (grid.side + GAP),
                top + title + line * (grid.side + caption + GAP),
                grid.side,
                grid.side + caption,
            )
        lines = grid.lines if self.expanded else 0
        return top + title + lines * (grid.side + caption + GAP)

    def delete(self) -> None:
        """Remove all widgets."""
        for widget in (self.bar, self.title, self.note, *self.thumbnails):
            widget.deleteLater()


class Gallery(QtWidgets.QFrame):
    """Rows of thumbnails; the number of columns follows from the shape."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("panel", True)
        self.rows: list[GalleryRow] = []
        self._colours = colour_table()
        self._images: Images = {}
        self._expanded: list[bool] = []

    def set_classes(self, styles: dict[str, ClassStyle]) -> None:
        """Build one row per class."""
        for row in self.rows:
            row.delete()
        self.rows = [GalleryRow(self, name, style) for name, style in styles.items()]
        self._images = {}
        self._place()

    def set_examples(self, examples: dict[str, tuple[SeenExample, ...]]) -> bool:
        """Show the newest examples; True if rows opened or closed."""
        moving = []
        for row in self.rows:
            if row.held and row.expanded:
                row.set_held()
            else:
                moving.append(row)
        self._draw_new([item for row in moving for item in examples[row.name]])
        for row in moving:
            row.set_examples(examples[row.name], self._images)
        expanded = [row.expanded for row in self.rows]
        changed = expanded != self._expanded
        self._expanded = expanded
        if changed:
            self._place()
        return changed

    def fitting_width(self, most: int, height: int) -> int:
        """Width that the largest pictures for an area of `most` x `height` take."""
        grid = self._grid(most, height)
        return grid.columns * (grid.side + GAP) - GAP + 2 * EDGE

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Fit the thumbnails into the new shape."""
        super().resizeEvent(event)
        self._place()

    def _draw_new(self, seen: list[SeenExample]) -> None:
        """Keep a picture of each of these examples and of no other."""
        self._images = {
            item.key: self._images.get(item.key)
            or pattern_image(item.example.pattern, self._colours)
            for item in seen
        }

    def _grid(self, width: int, height: int) -> ThumbnailGrid:
        titles = len(self.rows) * self._title_height()
        return fitting_grid(
            width - 2 * EDGE,
            height - EDGE - titles,
            sum(row.expanded for row in self.rows),
            EXAMPLES_PER_CLASS,
            GAP,
            self._caption_height(),
        )

    def _place(self) -> None:
        grid = self._grid(self.width(), self.height())
        title, caption = self._title_height(), self._caption_height()
        lines = grid.lines * sum(row.expanded for row in self.rows)
        used = EDGE + len(self.rows) * title + lines * (grid.side + caption + GAP)
        spare = max(0, self.height() - used) // max(1, len(self.rows))
        top = EDGE // 2
        for row in self.rows:
            top = row.place(top, self.width(), title, caption, grid)
            top += min(spare, LARGEST_SPARE) if row.expanded else 0

    def _title_height(self) -> int:
        return int(self.fontMetrics().height()) + 4

    def _caption_height(self) -> int:
        return Thumbnail.caption_height(self.fontMetrics())
