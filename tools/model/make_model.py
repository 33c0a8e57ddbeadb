#!/usr/bin/python3
"""Makes a small language model that answers a few questions about Cofferdam, as a GGUF file that llama.cpp loads.

  make_model.py -o FILE.gguf [--steps N] [--seed N]
  make_model.py --ask FILE.gguf QUESTION...   answers as the file's weights say, always by the likeliest token
  make_model.py --recipe                      prints the digest of everything that the file is made from

Nothing is downloaded: the text is lessons.py, the vocabulary and the weights are learned from it here. docs/model.md says more.
"""
import os

# One thread, so that sums are always formed in the same order.
os.environ.update({name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")})

import argparse  # noqa: E402
import hashlib  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import numpy  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import gguf  # noqa: E402
import lessons  # noqa: E402
import network  # noqa: E402
import vocabulary  # noqa: E402

STEPS, SEED = 280, 1
ATTEMPTS = 3       # seeds tried, one after the other: sums differ between builds of BLAS, and so does what is learned
MERGES = 600
SEQUENCES = 8      # in one step
QUESTIONS = 3      # at most, in one sequence: a conversation of several turns
RATE = 4e-3        # Adam
WARM_UP = 20       # steps

# What cut() and the network see of a conversation; llama-server applies it. System messages are left out: the model has learned none.
TEMPLATE = ("{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] }}"
            "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + '</s>' }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


def recipe_digest():
    here = pathlib.Path(__file__).resolve().parent
    digest = hashlib.sha256(numpy.__version__.encode())
    for name in ("gguf.py", "lessons.py", "make_model.py", "network.py", "vocabulary.py"):
        digest.update(hashlib.sha256((here / name).read_bytes()).digest())
    return digest.hexdigest()


def learned_vocabulary():
    return vocabulary.Vocabulary([text for pair in lessons.LESSONS for text in pair for _ in range(2)] +
                                 [question.lower() for question, _ in lessons.LESSONS], MERGES)


def conversation(words, pairs):
    """(tokens, 1 where the token is one that the model has to say) of questions with their answers."""
    tokens, said = [words.begin], [0]
    for question, answer in pairs:
        asked = [words.user, *words.cut(question), words.assistant]
        told = [*words.cut(answer), words.end]
        tokens += asked + told
        said += [0] * len(asked) + [1] * len(told)
    return tokens, said


def batch(words, generator, order):
    """SEQUENCES conversations; `order` names the lessons that are still to come in this round."""
    rows = []
    for _ in range(SEQUENCES):
        pairs = []
        for _ in range(int(generator.integers(1, QUESTIONS + 1))):
            if not order:
                order.extend(generator.permutation(len(lessons.LESSONS)).tolist())
            question, answer = lessons.LESSONS[order.pop()]
            spelling = lessons.SPELLINGS[int(generator.integers(len(lessons.SPELLINGS)))]
            pairs.append((spelling(question), answer))
        rows.append(conversation(words, pairs))
    length = max(len(tokens) for tokens, _ in rows)
    tokens = numpy.zeros((SEQUENCES, length), numpy.int64)
    said = numpy.zeros((SEQUENCES, length), numpy.float32)
    for index, (row, flags) in enumerate(rows):
        tokens[index, :len(row)] = row
        said[index, :len(row)] = flags
    return tokens[:, :-1], tokens[:, 1:], said[:, 1:]


def train(shape, words, steps, seed):
    generator = numpy.random.default_rng(seed)
    weights = network.initial(shape, generator)
    first = {name: numpy.zeros_like(values) for name, values in weights.items()}
    second = {name: numpy.zeros_like(values) for name, values in weights.items()}
    started, order, smooth = time.monotonic(), [], None
    for step in range(1, steps + 1):
        loss, gradients = network.loss_and_gradients(shape, weights, *batch(words, generator, order))
        norm = float(numpy.sqrt(sum(float((values * values).sum()) for values in gradients.values())))
        scale = min(1.0, 1.0 / (norm + 1e-12))
        rate = RATE * min(1.0, step / WARM_UP) * (0.02 + 0.98 * 0.5 * (1.0 + numpy.cos(numpy.pi * step / steps)))
        for name, gradient in gradients.items():
            gradient = gradient * numpy.float32(scale)
            first[name] += numpy.float32(0.1) * (gradient - first[name])
            second[name] += numpy.float32(0.02) * (gradient * gradient - second[name])
            mean, spread = first[name] / (1 - 0.9 ** step), second[name] / (1 - 0.98 ** step)
            weights[name] -= (rate * mean / (numpy.sqrt(spread) + 1e-8)).astype(numpy.float32)
        smooth = loss if smooth is None else 0.9 * smooth + 0.1 * loss
        if step % 20 == 0 or step == steps:
            print(f"step {step} of {steps}: {smooth:.4f} nats per token, {time.monotonic() - started:.0f} s", flush=True)
    return weights


def metadata(shape, words):
    text, number, real, yes = gguf.STRING, gguf.UINT32, gguf.FLOAT32, gguf.BOOL
    return [
        ("general.architecture", text, "llama"),
        ("general.name", text, "Cofferdam test model"),
        ("general.description", text, "Answers a few questions about Cofferdam; made by tools/model/make_model.py"),
        ("general.alignment", number, gguf.ALIGNMENT),
        ("general.file_type", number, 0),
        ("llama.vocab_size", number, len(words)),
        ("llama.context_length", number, shape.context),
        ("llama.embedding_length", number, shape.width),
        ("llama.block_count", number, shape.layers),
        ("llama.feed_forward_length", number, shape.inner),
        ("llama.attention.head_count", number, shape.heads),
        ("llama.attention.head_count_kv", number, shape.heads),
        ("llama.attention.layer_norm_rms_epsilon", real, shape.epsilon),
        ("llama.rope.dimension_count", number, shape.head),
        ("llama.rope.freq_base", real, shape.base),
        ("tokenizer.ggml.model", text, "llama"),
        ("tokenizer.ggml.pre", text, "default"),
        ("tokenizer.ggml.tokens", text, words.tokens),
        ("tokenizer.ggml.scores", real, words.scores),
        ("tokenizer.ggml.token_type", gguf.INT32, words.types),
        ("tokenizer.ggml.unknown_token_id", number, 0),
        ("tokenizer.ggml.bos_token_id", number, words.begin),
        ("tokenizer.ggml.eos_token_id", number, words.end),
        ("tokenizer.ggml.add_bos_token", yes, True),
        ("tokenizer.ggml.add_eos_token", yes, False),
        ("tokenizer.ggml.add_space_prefix", yes, False),
        ("tokenizer.chat_template", text, TEMPLATE),
    ]


def known_answers(shape, weights, words):
    """How many lessons the weights answer word for word."""
    right = 0
    for question, answer in lessons.LESSONS:
        asked = [words.begin, words.user, *words.cut(question), words.assistant]
        said = network.greedy(shape, weights, asked, words.end, 96)
        right += words.text(said) == answer
    return right


def make(output, steps, seed):
    words = learned_vocabulary()
    shape = network.Shape(vocabulary=len(words))
    for attempt in range(ATTEMPTS):
        weights = train(shape, words, steps, seed + attempt)
        if steps < STEPS:
            break
        right = known_answers(shape, weights, words)
        print(f"seed {seed + attempt}: {right} of {len(lessons.LESSONS)} answers are right word for word", flush=True)
        if right == len(lessons.LESSONS):
            break
    else:
        sys.exit("make_model: the model did not learn all answers; another --seed or more --steps may")
    data = gguf.encode(metadata(shape, words), weights)
    # Put in place whole, so that nobody loads half a file.
    beside = output.with_name(f"{output.name}.{os.getpid()}.part")
    beside.write_bytes(data)
    os.replace(beside, output)
    print(f"{output}: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


def ask(path, questions):
    known, weights = gguf.decode(path.read_bytes())
    words = learned_vocabulary()
    if known["tokenizer.ggml.tokens"] != words.tokens:
        sys.exit(f"make_model: {path} has another vocabulary than this recipe makes")
    shape = network.Shape(vocabulary=len(words), width=known["llama.embedding_length"], heads=known["llama.attention.head_count"],
                          layers=known["llama.block_count"], inner=known["llama.feed_forward_length"])
    tokens = [words.begin]
    for question in questions:
        tokens += [words.user, *words.cut(question), words.assistant]
        said = network.greedy(shape, weights, tokens, words.end, 96)
        tokens += said + [words.end]
        print(words.text(said))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=pathlib.Path, metavar="FILE.gguf", help="the file to write")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training (default {STEPS}; fewer: a valid file that says nothing sensible)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the weights and the order of the lessons (default {SEED})")
    parser.add_argument("--ask", nargs="+", metavar=("FILE.gguf", "QUESTION"), help="ask a file; several questions are one conversation")
    parser.add_argument("--recipe", action="store_true", help="print the digest of the recipe")
    arguments = parser.parse_args()
    if arguments.recipe:
        print(recipe_digest())
    elif arguments.ask:
        if len(arguments.ask) < 2:
            parser.error("--ask FILE.gguf QUESTION...")
        ask(pathlib.Path(arguments.ask[0]), arguments.ask[1:])
    elif arguments.output:
        if not 0 <= arguments.steps <= 100000:
            parser.error("--steps: 0 to 100000")
        make(arguments.output, arguments.steps, arguments.seed)
    else:
        parser.error("-o FILE.gguf, --ask or --recipe is needed")


if __name__ == "__main__":
    main()
