import h5py
import numpy as np

from specklenn.core.classify import Classifier
from specklenn.core.data.hits import HITS, INDEX
from specklenn.core.hitfinder import HitFinding
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessor
from specklenn.plugin.live.results import HitsFile
from specklenn.plugin.live.scheduler import FileScheduler


def test_saved_frames_are_the_whole_frames_in_photons_of_one_calibration(
    tmp_path, clock, model, supports, mask, shots, make_bench, opener
):
    adu = (shots[0] * 20 + 100).astype(np.uint16)
    preprocessor = Preprocessor(
        model.preprocessing, supports.shape, mask, adu_per_photon=20, offset_adu=100
    )
    in_adu = type(supports)(
        frames=supports.frames * 20 + 100,
        labels=supports.labels,
        classes=supports.classes,
        origins=supports.origins,
    )
    pipeline = Pipeline(Classifier(model, in_adu, preprocessor), HitFinding())
    bench = make_bench(
        clock, pipeline, [opener((adu, shots[1]))], FileScheduler(203, 1, 32)
    )
    bench.run()
    hits = HitsFile(tmp_path / HITS, bench.state.facts, supports.shape, mask)
    for report in bench.kept.reports:
        hits.write(report)
    hits.close()

    with h5py.File(tmp_path / HITS) as file:
        frames, index = file["/entry_1/data_1/data"][:], file[INDEX][:]

    assert len(frames) > 40
    np.testing.assert_array_equal(frames, shots[0][index].astype(np.float32))
