"""What a page of the panel needs around it in these tests, and how they look into the book."""

import sqlite3
from contextlib import closing

from qgis.PyQt.QtCore import QObject


class Told(list):
    """What the panel would show in the message bar."""


class Listener(QObject):
    """The other pages: they count how often they were told to read again."""

    def __init__(self):
        super().__init__()
        self.reads = 0

    def refresh(self):
        self.reads += 1


class Bench:
    """A panel's part that a page needs, on the real book and the real map canvas."""

    def __init__(self, iface, book):
        from craquelure.results.book import surveys

        self.iface, self.book, self.told = iface, book, Told()
        self.elements, self.surveys = Listener(), Listener()
        self.listed_surveys = lambda: surveys(book)
        self.can_write = lambda: True

    def tell(self, text, *_):
        self.told.append(text)


def rows(book, query):
    with closing(sqlite3.connect(book)) as connection:
        return connection.execute(query).fetchall()


def doubt(book):
    """Give every feature a confidence of its own."""
    from osgeo import gdal

    dataset = gdal.OpenEx(str(book), gdal.OF_VECTOR | gdal.OF_UPDATE)
    dataset.ExecuteSQL("UPDATE crack_line SET conf = 0.5 + 0.1 * fid")
    dataset.ExecuteSQL("UPDATE loss_polygon SET conf = 0.95 - 0.1 * fid")
