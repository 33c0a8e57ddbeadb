#!/usr/bin/python3
"""What makes the language model of tests and demo (tools/model): its gradients, its vocabulary, its file, and that it can be repeated.

That a whole training ends with every answer word for word is checked by make_model.py itself, each time it makes a model.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

MAKER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "model"
sys.path.insert(0, str(MAKER))
try:
    import numpy
except ImportError as missing:
    print(f"skipped: {missing} (Debian package python3-numpy)")
    sys.exit(77)
import gguf  # noqa: E402
import lessons  # noqa: E402
import make_model  # noqa: E402
import network  # noqa: E402

SMALL = network.Shape(vocabulary=11, width=12, heads=3, layers=2, inner=10)


def small_case():
    generator = numpy.random.default_rng(3)
    weights = {name: values.astype(numpy.float64) + generator.standard_normal(values.shape) * 0.1
               for name, values in network.initial(SMALL, generator).items()}
    tokens = generator.integers(0, SMALL.vocabulary, (2, 6))
    targets = generator.integers(0, SMALL.vocabulary, (2, 6))
    counted = (generator.random((2, 6)) < 0.7).astype(numpy.float32)
    return weights, tokens, targets, counted


class Network(unittest.TestCase):
    def test_gradients_are_the_slopes_of_the_loss(self):
        weights, tokens, targets, counted = small_case()
        _, gradients = network.loss_and_gradients(SMALL, weights, tokens, targets, counted)
        self.assertEqual(set(gradients), set(weights))
        generator = numpy.random.default_rng(4)
        for name, values in weights.items():
            for _ in range(4):
                place = tuple(int(generator.integers(size)) for size in values.shape)
                kept, sides = values[place], []
                for step in (1e-5, -1e-5):
                    values[place] = kept + step
                    sides.append(network.loss_and_gradients(SMALL, weights, tokens, targets, counted)[0])
                values[place] = kept
                slope = (sides[0] - sides[1]) / 2e-5
                self.assertAlmostEqual(gradients[name][place], slope, delta=1e-5 + 1e-3 * abs(slope), msg=f"{name}{place}")

    def test_no_token_sees_what_comes_later(self):
        weights, tokens, _, _ = small_case()
        whole, _ = network.forward(SMALL, weights, tokens)
        begin, _ = network.forward(SMALL, weights, tokens[:, :4])
        numpy.testing.assert_allclose(whole[:, :4], begin, atol=1e-6)

    def test_positions_turn_neighbouring_pairs(self):
        # The convention of llama.cpp's architecture "llama"; others turn the first half of a head against the second.
        values = numpy.random.default_rng(5).standard_normal((1, 1, 3, SMALL.head)).astype(numpy.float32)
        turned = network._rotate(values, *network._rotation(SMALL, 3))
        for place in range(3):
            for pair in range(SMALL.head // 2):
                angle = place * SMALL.base ** (-2 * pair / SMALL.head)
                number = complex(*values[0, 0, place, 2 * pair:2 * pair + 2]) * complex(numpy.cos(angle), numpy.sin(angle))
                numpy.testing.assert_allclose(turned[0, 0, place, 2 * pair:2 * pair + 2], [number.real, number.imag], atol=1e-6)


class Vocabulary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.words = make_model.learned_vocabulary()

    def test_any_text_comes_back(self):
        for text in [each for pair in lessons.LESSONS for each in pair] + ["", " ", "  two", "Gr\u00fc\u00dfe, \u6f22\u5b57", "a\nb\t"]:
            self.assertEqual(self.words.text(self.words.cut(text)), text)

    def test_names_of_control_tokens_are_plain_text(self):
        for name in ("<s>", "</s>", "<|user|>", "<|assistant|>", "<0x41>"):
            numbers = self.words.cut(name)
            self.assertGreater(len(numbers), 1)
            self.assertEqual(self.words.text(numbers), name)

    def test_known_words_are_one_token(self):
        self.assertEqual([self.words.tokens[number] for number in self.words.cut("What is Cofferdam")],
                         ["What", "\u2581is", "\u2581Cofferdam"])

    def test_the_best_pair_is_joined_first(self):
        # As SentencePiece does it: by score, then from the left, whatever the pair was learned as.
        words = make_model.vocabulary.Vocabulary(["abc"], 0)
        for piece, score in (("ab", -9.0), ("bc", -8.0), ("aa", -7.0)):
            words.tokens.append(piece), words.types.append(make_model.vocabulary.NORMAL), words.scores.append(score)
        words.number = {token: index for index, token in enumerate(words.tokens)}
        self.assertEqual([words.tokens[number] for number in words.cut("abc")], ["a", "bc"])
        self.assertEqual([words.tokens[number] for number in words.cut("aaab")], ["aa", "ab"])


class File(unittest.TestCase):
    def test_what_is_written_is_read(self):
        tensors = {"one": numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "two": numpy.ones(5, numpy.float32)}
        pairs = [("a.text", gguf.STRING, "\u00fc"), ("a.number", gguf.UINT32, 7), ("a.list", gguf.STRING, ["x", ""]), ("a.yes", gguf.BOOL, True)]
        data = gguf.encode(pairs, tensors)
        known, read = gguf.decode(data)
        self.assertEqual(known, {key: value for key, _, value in pairs})
        for name, values in tensors.items():
            numpy.testing.assert_array_equal(read[name], values)
        self.assertEqual(data[:24], b"GGUF" + struct.pack("<IQQ", 3, 2, 4))
        # Innermost dimension first; the data at a multiple of 32, row by row.
        self.assertIn(struct.pack("<I2QIQ", 2, 3, 2, 0, 0), data)
        start = data.index(tensors["one"].tobytes(), 100)
        self.assertEqual((start % 32, data[start + 32:start + 52]), (0, tensors["two"].tobytes()))

    def test_half_a_file_is_none(self):
        data = gguf.encode([("a", gguf.UINT32, 1)], {"one": numpy.ones(8, numpy.float32)})
        for length in range(len(data) - 1):
            with self.assertRaises(ValueError):
                gguf.decode(data[:length])

    def test_the_same_recipe_makes_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            made = []
            for name, seed in (("a", 1), ("b", 1), ("c", 2)):
                path = pathlib.Path(folder) / name
                subprocess.run([sys.executable, str(MAKER / "make_model.py"), "-o", str(path), "--steps", "2", "--seed", str(seed)],
                               check=True, capture_output=True, timeout=60)
                made.append(path.read_bytes())
            self.assertEqual(sorted(each.name for each in pathlib.Path(folder).iterdir()), ["a", "b", "c"])
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0], made[2])


if __name__ == "__main__":
    unittest.main()
