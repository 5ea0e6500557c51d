"""JinaBERT v2: a BERT that tells positions apart by how far they are (ALiBi in
both directions) and gates its feed-forward layers, as the two modeling_bert.py
that its files point at compute it: jina-bert-implementation, and
jina-bert-v2-qk-post-norm of the model for code, which normalises queries and
keys and each part once more. Written here from their behaviour. It must never
assume a number of heads that is a power of two.
"""

import math

import torch
from torch import nn

from reference_published import ACTIVATIONS, FirstToken, Published
from reference_published import attention, heads_of

GATES = {"geglu": "gelu", "reglu": "relu"}


def slopes(heads):
    """How much each head minds a step of distance."""
    whole = 2 ** math.floor(math.log2(heads))
    first = 2.0 ** (-8.0 / whole)
    found = [first ** (i + 1) for i in range(whole)]
    if whole == heads:
        return found
    # The rest, every other one of twice as many.
    between = 2.0 ** (-4.0 / whole)
    return found + [between ** (2 * i + 1) for i in range(heads - whole)]


def distances(heads, tokens):
    """[heads, tokens, tokens], 0 on the diagonal and falling beside it."""
    at = torch.arange(tokens)
    apart = (at[None] - at[:, None]).abs()
    return -torch.tensor(slopes(heads))[:, None, None] * apart


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], size)
        self.token_type_embeddings = nn.Embedding(
            config["type_vocab_size"], size)
        self.LayerNorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, ids, types):
        return self.LayerNorm(
            self.word_embeddings(ids) + self.token_type_embeddings(types))


class SelfAttention(nn.Module):
    def __init__(self, config, normalised):
        super().__init__()
        size, eps = config["hidden_size"], config["layer_norm_eps"]
        self.heads = config["num_attention_heads"]
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        if normalised:
            self.layer_norm_q = nn.LayerNorm(size, eps=eps)
            self.layer_norm_k = nn.LayerNorm(size, eps=eps)

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        if hasattr(self, "layer_norm_q"):
            q, k = self.layer_norm_q(q), self.layer_norm_k(k)
        bias = distances(self.heads, x.shape[1]).to(x.dtype)
        return attention(*(heads_of(each, self.heads) for each in (q, k, v)),
                         bias)


class SelfOutput(nn.Module):
    def __init__(self, config):
        super().__init__()
        size = config["hidden_size"]
        self.dense = nn.Linear(size, size)
        self.LayerNorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, gathered, x):
        return self.LayerNorm(self.dense(gathered) + x)


class Attention(nn.Module):
    def __init__(self, config, normalised):
        super().__init__()
        self.self = SelfAttention(config, normalised)
        self.output = SelfOutput(config)

    def forward(self, x):
        gathered, shares = self.self(x)
        return self.output(gathered, x), shares


class GatedLayers(nn.Module):
    """The gate is the first half of what the first layer gives; the residual
    and the norm are inside."""

    def __init__(self, config):
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.act = ACTIVATIONS[GATES[config["feed_forward_type"]]]
        self.gated_layers = nn.Linear(size, 2 * inner, bias=False)
        self.wo = nn.Linear(inner, size)
        self.layernorm = nn.LayerNorm(size, eps=config["layer_norm_eps"])

    def forward(self, x):
        gate, rest = self.gated_layers(x).chunk(2, dim=-1)
        return self.layernorm(self.wo(self.act(gate) * rest) + x)


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attention = Attention(config, False)
        self.mlp = GatedLayers(config)

    def forward(self, x):
        x, shares = self.attention(x)
        return self.mlp(x), shares


class CodeGatedLayers(nn.Module):
    """The gate is the second half."""

    def __init__(self, config):
        super().__init__()
        size, inner = config["hidden_size"], config["intermediate_size"]
        self.act = ACTIVATIONS[GATES[config["feed_forward_type"]]]
        self.up_gated_layer = nn.Linear(size, 2 * inner, bias=False)
        self.down_layer = nn.Linear(inner, size)

    def forward(self, x):
        up, gate = self.up_gated_layer(x).chunk(2, dim=-1)
        return self.down_layer(up * self.act(gate))


class CodeLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        size, eps = config["hidden_size"], config["layer_norm_eps"]
        self.attention = Attention(config, True)
        self.layer_norm_1 = nn.LayerNorm(size, eps=eps)
        self.mlp = CodeGatedLayers(config)
        self.layer_norm_2 = nn.LayerNorm(size, eps=eps)

    def forward(self, x):
        attended, shares = self.attention(x)
        x = self.layer_norm_1(x + attended)
        return self.layer_norm_2(x + self.mlp(x)), shares


class Encoder(nn.Module):
    def __init__(self, config, layer):
        super().__init__()
        self.layer = nn.ModuleList(
            layer(config) for _ in range(config["num_hidden_layers"]))


def run(model, ids, types):
    types = torch.zeros_like(ids) if types is None else types
    hidden, shares = [model.embeddings(ids, types)], []
    for layer in model.encoder.layer:
        x, share = layer(hidden[-1])
        hidden.append(x)
        shares.append(share)
    return hidden, shares


class JinaBertModel(Published):
    LAYER = Layer

    def __init__(self, config):
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config, self.LAYER)
        self.pooler = FirstToken(config["hidden_size"])

    def forward(self, input_ids, token_type_ids=None, **_):
        return self.answer(*run(self, input_ids, token_type_ids))


class JinaBertCodeModel(JinaBertModel):
    """JinaBertModel of the code that normalises queries and keys."""

    LAYER = CodeLayer


class JinaBertForSequenceClassification(Published):
    def __init__(self, config):
        super().__init__(config)
        self.bert = JinaBertModel(config)
        self.classifier = nn.Linear(
            config["hidden_size"], len(config["id2label"]))

    def forward(self, input_ids, token_type_ids=None, **_):
        hidden, shares = run(self.bert, input_ids, token_type_ids)
        logits = self.classifier(self.bert.pooler(hidden[-1]))
        return self.answer(hidden, shares, logits)
