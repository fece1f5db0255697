"The transformer as scikit-learn sees it: its own checks, and a pickle that is opened by another process."

import json

from conftest import ROOT, code, run

CHECKS = """
import json, warnings
from sklearn.utils.estimator_checks import check_estimator
from ssl_nb.estimator import SimCLRFeatures
warnings.simplefilter('ignore')
done = check_estimator(SimCLRFeatures(epochs=1, batch_size=32, device='cpu'), on_skip=None, on_fail=None)
print(json.dumps([(check['check_name'], check['status'], str(check['exception'] or '')) for check in done]))
"""
FIT = """
import pickle
import numpy as np
from ssl_nb.estimator import SimCLRFeatures
x = np.random.default_rng(0).integers(0, 256, (40, 64))
f = SimCLRFeatures(epochs=1, batch_size=20, random_state=0, device='cpu').fit(x)
with open('fitted.pickle', 'wb') as file: pickle.dump((f, x, f.transform(x)), file)
"""
OPEN = """
import pickle
import numpy as np
with open('fitted.pickle', 'rb') as file: f, x, h = pickle.load(file)
np.testing.assert_allclose(f.transform(x), h, rtol=1e-5, atol=1e-6)
assert h.shape == (40, len(f.get_feature_names_out()))
print('the same')
"""


def test_scikit_learn_has_nothing_to_object(tmp_path):
    whole = dict(PYTHONPATH=str(ROOT), SCIPY_ARRAY_API="1")  # without the latter, a check is skipped
    checked = run("python", "-c", CHECKS, cwd=tmp_path, **whole)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    results = json.loads(checked.stdout.splitlines()[-1])
    assert [result for result in results if result[1] != "passed"] == []
    assert len(results) >= 40
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_is_opened_by_another_process(tmp_path):
    fitted = code(FIT, cwd=tmp_path)
    assert fitted.returncode == 0, fitted.stderr
    opened = code(OPEN, cwd=tmp_path)
    assert opened.stdout == "the same\n", opened.stdout + opened.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["fitted.pickle"]  # no run folder stays behind
