"""Pickles are read as data: nothing in them is imported or called."""

import pickle
from collections import defaultdict

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from torch.testing import assert_close

from attention_book.data.graphs import as_array, as_sparse, read_pickle
from attention_book.data.graphs.pickles import Call

# np.array([[1., 2.], [3., 4.]], dtype="<f4"), as NumPy under Python 2 pickled it.
ARRAY = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85"
    b"U\x01b\x87R(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x03U\x02f4K\x00K\x01\x87R(K\x03U\x01<"
    b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
    + np.array([1, 2, 3, 4], "<f4").tobytes()
    + b"tb."
)


@pytest.fixture
def make_pickle(tmp_path):
    def make_pickle(content):
        path = tmp_path / "some.pickle"
        path.write_bytes(content)
        return path

    return make_pickle


def test_arrays(make_pickle):
    found = as_array(read_pickle(make_pickle(ARRAY)))
    assert found.tolist() == [[1, 2], [3, 4]]
    in_columns = ARRAY.replace(b"tb\x89U\x10", b"tb\x88U\x10")
    assert as_array(read_pickle(make_pickle(in_columns))).tolist() == [[1, 3], [2, 4]]


def test_plain_data_come_back(make_pickle):
    value = {1: [2, 300, 70_000], 5: [], 6: [(1, None), (True, False, -4)], 7: [8]}
    assert read_pickle(make_pickle(pickle.dumps(value, protocol=2))) == value


def test_a_dictionary_of_another_class_keeps_its_entries(make_pickle):
    lists = defaultdict(list, {0: [1, 2], 1: [0]})
    found = read_pickle(make_pickle(pickle.dumps(lists, protocol=2)))
    assert found.name == "collections defaultdict"
    assert found.state == [{0: [1, 2], 1: [0]}]


def test_nothing_is_called(make_pickle, tmp_path):
    victim = tmp_path / "victim"
    evil = b"\x80\x02cposix\nsystem\nU" + bytes([len(f"touch {victim}")])
    evil += f"touch {victim}".encode() + b"\x85R."
    found = read_pickle(make_pickle(evil))
    assert found == Call("posix system", (f"touch {victim}",), [])
    assert not victim.exists()
    with pytest.raises(ValueError, match=r"want an array, got Call.*posix system"):
        as_array(found)
    with pytest.raises(ValueError, match="want a sparse matrix"):
        as_sparse(found)


def test_a_damaged_file_is_an_error(make_pickle):
    for content in (ARRAY[:-30], ARRAY[:-1], b"", b"R.", b"\x80\x02]K\x01b.", b"hello"):
        with pytest.raises(
            ValueError, match=r"some\.pickle is no pickle of plain data"
        ):
            read_pickle(make_pickle(content))
    with pytest.raises(ValueError, match="operation FLOAT"):
        read_pickle(make_pickle(b"F1.5\n."))


def test_objects_and_wrong_shapes_are_no_arrays(make_pickle):
    objects = ARRAY.replace(b"U\x02f4", b"U\x02O8")
    with pytest.raises(ValueError, match="want numbers, got"):
        as_array(read_pickle(make_pickle(objects)))
    too_long = ARRAY.replace(b"(K\x01K\x02K\x02\x86", b"(K\x01K\x02K\x03\x86")
    with pytest.raises(ValueError, match="cannot reshape"):
        as_array(read_pickle(make_pickle(too_long)))


def array_call(values):
    """The call that stands for an array."""
    values = np.asarray(values)
    kind = Call("numpy dtype", (values.dtype.str[1:], 0, 1), [(3, "<")])
    content = values.tobytes().decode("latin-1")
    state = (1, values.shape, kind, False, content)
    return Call("numpy.core.multiarray _reconstruct", (), [state])


def sparse_call(matrix):
    state = {"_shape": matrix.shape}
    state |= {n: array_call(getattr(matrix, n)) for n in ("data", "indices", "indptr")}
    return Call("scipy.sparse.csr csr_matrix", (), [state])


def test_sparse_matrices():
    dense = np.array([[0, 2.0, 0], [0, 0, 0], [1, 0, 3]])
    found = as_sparse(sparse_call(csr_matrix(dense)))
    assert found.shape == (3, 3)
    want = np.zeros_like(dense)
    want[found.row, found.column] = found.value
    assert_close(want, dense)


def test_parts_that_do_not_fit_are_an_error():
    call = sparse_call(csr_matrix(np.eye(3)))
    call.state[0]["indices"] = array_call(np.array([0, 1, 3], "i4"))
    with pytest.raises(ValueError, match="do not fit each other"):
        as_sparse(call)
    call = sparse_call(csr_matrix(np.eye(3)))
    call.state[0]["_shape"] = (4, 3)
    with pytest.raises(ValueError, match="do not fit each other"):
        as_sparse(call)


def test_home_folder_in_the_path(make_pickle, monkeypatch):
    path = make_pickle(pickle.dumps([1, 2], protocol=2))
    monkeypatch.setenv("HOME", str(path.parent))
    assert read_pickle(f"~/{path.name}") == [1, 2]
