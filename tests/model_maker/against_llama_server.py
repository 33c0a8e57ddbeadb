#!/usr/bin/python3
"""Asks a running llama-server, and this project's own network, the same things of one model file; exits 1 when they differ.

  against_llama_server.py FILE.gguf [URL]     llama-server -m FILE.gguf -c 512 runs at URL (http://127.0.0.1:8080)

Compared: how texts are cut into tokens, the greedy answers of all lessons and of conversations of three, log probabilities.
"""
import json
import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "model"))
import make_model  # noqa: E402
import gguf  # noqa: E402
import lessons  # noqa: E402
import network  # noqa: E402
import numpy  # noqa: E402

CLOSE = 0.05  # nats; llama.cpp keeps keys and values as float16


def main():
    model, url = pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8080"
    words = make_model.learned_vocabulary()
    shape = network.Shape(vocabulary=len(words))
    _, weights = gguf.decode(model.read_bytes())
    failures, turns, widest = [], 0, 0.0

    def post(path, body):
        request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=60))

    def check(what, theirs, ours):
        if theirs != ours:
            failures.append(f"{what}: llama-server {theirs!r}, here {ours!r}")

    generator = numpy.random.default_rng(5)
    questions = [question for question, _ in lessons.LESSONS]
    cases = [[question] for question in questions]
    cases += [[questions[index] for index in generator.permutation(len(questions))[:3]] for _ in range(12)]
    cases += [["Tell me about the weather, please"], ["Gr\u00fc\u00dfe, \u6f22\u5b57!"]]
    for case in cases:
        tokens, messages = [words.begin], []
        for question in case:
            turns += 1
            tokens += [words.user, *words.cut(question), words.assistant]
            messages.append({"role": "user", "content": question})
            check(f"tokens of {question!r}", post("/tokenize", {"content": question, "add_special": False})["tokens"], words.cut(question))
            ours = network.greedy(shape, weights, tokens, words.end, 96)
            reply = post("/v1/chat/completions", {"messages": messages, "max_tokens": 96, "temperature": 0, "cache_prompt": False})
            check(f"length of the prompt {messages}", reply["usage"]["prompt_tokens"], len(tokens))
            # The server's chat parser takes white space from an answer's beginning.
            check(f"answer to {messages}", reply["choices"][0]["message"]["content"].lstrip(), words.text(ours).lstrip())
            messages.append({"role": "assistant", "content": words.text(ours)})
            tokens += ours + [words.end]
        said = post("/completion", {"prompt": tokens[:40], "n_predict": 1, "n_probs": 10, "temperature": 0})
        logits = network.forward(shape, weights, numpy.array([tokens[:40]]))[0][0, -1].astype(numpy.float64)
        chances = logits - numpy.log(numpy.exp(logits - logits.max()).sum()) - logits.max()
        for each in said["completion_probabilities"][0]["top_logprobs"]:
            widest = max(widest, abs(each["logprob"] - chances[each["id"]]))
    if widest > CLOSE:
        failures.append(f"log probabilities are {widest:.3f} apart")
    print("\n".join([*failures, f"{turns} turns, {len(failures)} differences, log probabilities at most {widest:.4f} apart"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
