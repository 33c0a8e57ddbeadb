"""The model's vocabulary: pieces learned from its own text by byte pair encoding, and one token for each byte, so that any text
can be written. Laid out as llama.cpp's "llama" tokenizer (SentencePiece) expects it, which cuts a text the same way as cut():
of all neighbours that form a piece together, the pair of the highest score is joined first, the leftmost among equals.
"""
import collections

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # tokenizer.ggml.token_type
SPACE = "\u2581"                             # how SentencePiece writes a space
SPECIAL = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL), ("<|user|>", CONTROL), ("<|assistant|>", CONTROL)]


def _escaped(text):
    return text.replace(" ", SPACE)


class Vocabulary:
    def __init__(self, texts, merges):
        """Learns up to `merges` pieces from texts; a piece may hold one space, at its beginning."""
        self.tokens = [name for name, _ in SPECIAL] + [f"<0x{byte:02X}>" for byte in range(256)]
        self.types = [kind for _, kind in SPECIAL] + [BYTE] * 256
        self.scores = [0.0] * len(self.tokens)
        self.first_byte = len(SPECIAL)
        self.begin, self.end, self.user, self.assistant = 1, 2, 3, 4
        words = collections.Counter()
        for text in texts:
            for word in _escaped(text).replace(SPACE, "\n" + SPACE).split("\n"):
                words[tuple(word)] += 1
        pieces = sorted({letter for word in words for letter in word})
        for _ in range(merges):
            pairs = collections.Counter()
            for word, count in words.items():
                for left, right in zip(word, word[1:]):
                    pairs[left, right] += count
            if not pairs:
                break
            best = min(pairs, key=lambda each: (-pairs[each], each))
            if best[0] + best[1] not in pieces:
                pieces.append(best[0] + best[1])
            words = collections.Counter({_joined(word, best): count for word, count in words.items()})
        for rank, piece in enumerate(pieces):
            self.tokens.append(piece)
            self.types.append(NORMAL)
            self.scores.append(-float(rank + 1))
        self.number = {token: index for index, token in enumerate(self.tokens)}

    def __len__(self):
        return len(self.tokens)

    def cut(self, text):
        """The numbers of a text's tokens; names of control tokens in it are plain text."""
        symbols = list(_escaped(text))
        while True:
            best, place = None, None
            for index, (left, right) in enumerate(zip(symbols, symbols[1:])):
                number = self.number.get(left + right)
                if number is None or self.types[number] != NORMAL:
                    continue
                if best is None or self.scores[number] > best:
                    best, place = self.scores[number], index
            if place is None:
                break
            symbols[place:place + 2] = [symbols[place] + symbols[place + 1]]
        numbers = []
        for symbol in symbols:
            if symbol in self.number and self.types[self.number[symbol]] == NORMAL:
                numbers.append(self.number[symbol])
            else:
                numbers += [self.first_byte + byte for byte in symbol.encode("utf-8")]
        return numbers

    def text(self, numbers):
        """What tokens say; control tokens say nothing."""
        out = b""
        for number in numbers:
            if self.types[number] == BYTE:
                out += bytes([number - self.first_byte])
            elif self.types[number] == NORMAL:
                out += self.tokens[number].replace(SPACE, " ").encode("utf-8")
        return out.decode("utf-8", "replace")


def _joined(word, pair):
    out, index = [], 0
    while index < len(word):
        if word[index:index + 2] == pair:
            out.append(word[index] + word[index + 1])
            index += 2
        else:
            out.append(word[index])
            index += 1
    return tuple(out)
