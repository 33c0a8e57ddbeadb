"""The network: a decoder of the llama family in numpy, forward and backward.

As llama.cpp computes architecture "llama": RMSNorm before attention and before the feed-forward part, rotary positions on
neighbouring pairs (0,1), (2,3), ... of each head, attention of each head over what came before, SwiGLU, and an output that shares
the embedding's weights. All matrices are (out, in), which is the order that GGUF stores them in.
"""
import dataclasses

import numpy


@dataclasses.dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int = 96
    heads: int = 3
    layers: int = 2
    inner: int = 256
    context: int = 512
    epsilon: float = 1e-5
    base: float = 10000.0

    @property
    def head(self):
        return self.width // self.heads


def initial(shape, generator):
    """Weights to begin with, {GGUF name: array}, in the order that the file has them."""
    def matrix(out, inner, scale=1.0):
        return (generator.standard_normal((out, inner)) * scale / numpy.sqrt(inner)).astype(numpy.float32)

    ones = numpy.ones(shape.width, numpy.float32)
    # Paths into the residual stream begin small, so that depth does not grow it.
    small = 1.0 / numpy.sqrt(2.0 * shape.layers)
    weights = {"token_embd.weight": (generator.standard_normal((shape.vocabulary, shape.width)) * 0.05).astype(numpy.float32),
               "output_norm.weight": ones.copy()}
    for layer in range(shape.layers):
        name = f"blk.{layer}."
        weights[name + "attn_norm.weight"] = ones.copy()
        for part in ("attn_q", "attn_k", "attn_v"):
            weights[f"{name}{part}.weight"] = matrix(shape.width, shape.width)
        weights[name + "attn_output.weight"] = matrix(shape.width, shape.width, small)
        weights[name + "ffn_norm.weight"] = ones.copy()
        weights[name + "ffn_gate.weight"] = matrix(shape.inner, shape.width)
        weights[name + "ffn_up.weight"] = matrix(shape.inner, shape.width)
        weights[name + "ffn_down.weight"] = matrix(shape.width, shape.inner, small)
    return weights


def _rotation(shape, length):
    frequency = shape.base ** (-numpy.arange(0, shape.head, 2) / shape.head)
    angle = numpy.outer(numpy.arange(length), frequency)
    return numpy.cos(angle).astype(numpy.float32), numpy.sin(angle).astype(numpy.float32)


def _rotate(values, cosine, sine):
    even, odd = values[..., 0::2], values[..., 1::2]
    out = numpy.empty_like(values)
    out[..., 0::2] = even * cosine - odd * sine
    out[..., 1::2] = even * sine + odd * cosine
    return out


def _norm(values, weight, epsilon):
    scale = 1.0 / numpy.sqrt((values * values).mean(-1, keepdims=True) + epsilon)
    return values * scale * weight, scale


def _norm_back(gradient, values, scale, weight):
    normal = values * scale
    weight_gradient = (gradient * normal).reshape(-1, weight.size).sum(0)
    inner = gradient * weight
    return scale * (inner - normal * (inner * normal).mean(-1, keepdims=True)), weight_gradient


def _matrix_back(gradient, values):
    return gradient.reshape(-1, gradient.shape[-1]).T @ values.reshape(-1, values.shape[-1])


def forward(shape, weights, tokens):
    """tokens (batch, length) -> logits (batch, length, vocabulary), and what backward() needs."""
    batch, length = tokens.shape
    cosine, sine = _rotation(shape, length)
    hidden_from = numpy.triu(numpy.full((length, length), -1e30, numpy.float32), 1)

    def split(values):
        return values.reshape(batch, length, shape.heads, shape.head).transpose(0, 2, 1, 3)

    stream = weights["token_embd.weight"][tokens]
    kept = []
    for layer in range(shape.layers):
        part = {name: weights[f"blk.{layer}.{name}.weight"] for name in
                ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")}
        into, into_scale = _norm(stream, part["attn_norm"], shape.epsilon)
        query = _rotate(split(into @ part["attn_q"].T), cosine, sine)
        key = _rotate(split(into @ part["attn_k"].T), cosine, sine)
        value = split(into @ part["attn_v"].T)
        scores = query @ key.transpose(0, 1, 3, 2) * numpy.float32(shape.head ** -0.5) + hidden_from
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, shape.width)
        middle = stream + mixed @ part["attn_output"].T
        fed, fed_scale = _norm(middle, part["ffn_norm"], shape.epsilon)
        gate, up = fed @ part["ffn_gate"].T, fed @ part["ffn_up"].T
        open_ = 1.0 / (1.0 + numpy.exp(-gate))
        inner = gate * open_ * up
        after = middle + inner @ part["ffn_down"].T
        kept.append((part, stream, into, into_scale, query, key, value, scores, mixed, middle, fed, fed_scale, gate, up, open_, inner))
        stream = after
    last, last_scale = _norm(stream, weights["output_norm.weight"], shape.epsilon)
    logits = last @ weights["token_embd.weight"].T
    return logits, (tokens, cosine, sine, kept, stream, last, last_scale)


def loss_and_gradients(shape, weights, tokens, targets, counted):
    """Mean cross entropy over the places that count (counted: 0 or 1 each), and its gradients by name."""
    logits, (tokens, cosine, sine, kept, stream, last, last_scale) = forward(shape, weights, tokens)
    batch, length = tokens.shape
    total = counted.sum()
    logits -= logits.max(-1, keepdims=True)
    chances = numpy.exp(logits)
    chances /= chances.sum(-1, keepdims=True)
    rows, columns = numpy.ogrid[:batch, :length]
    right = chances[rows, columns, targets]
    loss = float(-(numpy.log(numpy.maximum(right, 1e-30)) * counted).sum() / total)
    chances[rows, columns, targets] -= 1.0
    gradient = chances * (counted / total)[..., None].astype(numpy.float32)

    def join(values):
        return values.transpose(0, 2, 1, 3).reshape(batch, length, shape.width)

    def split(values):
        return values.reshape(batch, length, shape.heads, shape.head).transpose(0, 2, 1, 3)

    out = {"token_embd.weight": _matrix_back(gradient, last)}
    flow, out["output_norm.weight"] = _norm_back(gradient @ weights["token_embd.weight"], stream, last_scale,
                                                weights["output_norm.weight"])
    for layer in reversed(range(shape.layers)):
        (part, before, into, into_scale, query, key, value, scores, mixed, middle, fed, fed_scale, gate, up, open_, inner) = kept[layer]
        name = f"blk.{layer}."
        out[name + "ffn_down.weight"] = _matrix_back(flow, inner)
        inner_flow = flow @ part["ffn_down"]
        up_flow = inner_flow * gate * open_
        gate_flow = inner_flow * up * open_ * (1.0 + gate * (1.0 - open_))
        out[name + "ffn_gate.weight"] = _matrix_back(gate_flow, fed)
        out[name + "ffn_up.weight"] = _matrix_back(up_flow, fed)
        step, out[name + "ffn_norm.weight"] = _norm_back(gate_flow @ part["ffn_gate"] + up_flow @ part["ffn_up"], middle, fed_scale,
                                                        part["ffn_norm"])
        flow = flow + step
        out[name + "attn_output.weight"] = _matrix_back(flow, mixed)
        mixed_flow = split(flow @ part["attn_output"])
        value_flow = scores.transpose(0, 1, 3, 2) @ mixed_flow
        score_flow = mixed_flow @ value.transpose(0, 1, 3, 2)
        score_flow = scores * (score_flow - (score_flow * scores).sum(-1, keepdims=True)) * numpy.float32(shape.head ** -0.5)
        # A rotation's transpose turns the other way.
        query_flow = join(_rotate(score_flow @ key, cosine, -sine))
        key_flow = join(_rotate(score_flow.transpose(0, 1, 3, 2) @ query, cosine, -sine))
        value_flow = join(value_flow)
        out[name + "attn_q.weight"] = _matrix_back(query_flow, into)
        out[name + "attn_k.weight"] = _matrix_back(key_flow, into)
        out[name + "attn_v.weight"] = _matrix_back(value_flow, into)
        step, out[name + "attn_norm.weight"] = _norm_back(
            query_flow @ part["attn_q"] + key_flow @ part["attn_k"] + value_flow @ part["attn_v"], before, into_scale, part["attn_norm"])
        flow = flow + step
    numpy.add.at(out["token_embd.weight"], tokens, flow)
    return loss, out


def greedy(shape, weights, tokens, end, limit):
    """The tokens that follow, always the likeliest one, until `end` (left out) or `limit` of them."""
    tokens, answer = list(tokens), []
    while len(answer) < limit:
        logits, _ = forward(shape, weights, numpy.array([tokens]))
        best = int(logits[0, -1].argmax())
        if best == end:
            break
        tokens.append(best)
        answer.append(best)
    return answer
