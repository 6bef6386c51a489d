"""The trainable parts: a projection head for each tower, the image tower's class branch and its fine-tuned tail."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from mini.vision import Conv, Trunk

DIM = 384
HIDDEN = 1024
FEATURES = 1280


class Head(nn.Module):
    """LayerNorm, then a linear map plus a one-hidden-layer perceptron that starts at zero."""

    def __init__(self, inputs: int, outputs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.linear = nn.Linear(inputs, outputs)
        self.up = nn.Linear(inputs, hidden)
        self.down = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, inputs) to (n, outputs), not normalised."""
        h = self.dropout(self.norm(x))
        return self.linear(h) + self.down(self.dropout(functional.gelu(self.up(h))))  # type: ignore[no-any-return]


class Tail(nn.Module):
    """The classifier's last block and head convolution: maps (n, 208, 9, 9) to pooled features (n, 1280)."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.template = (*trunk.blocks[-1].convs, trunk.head)
        self.convs = nn.ModuleList(self._module(conv) for conv in self.template)

    @staticmethod
    def _module(conv: Conv) -> nn.Conv2d:
        out, per_group, kernel, _ = conv.weight.shape
        module = nn.Conv2d(per_group * conv.groups, out, kernel, conv.stride, kernel // 2, groups=conv.groups)
        module.load_state_dict(
            {"weight": torch.from_numpy(conv.weight.copy()), "bias": torch.from_numpy(conv.bias.copy())}
        )
        return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def forward(self, maps: Tensor) -> Tensor:
        """Average over space of the last activations."""
        x = maps.contiguous(memory_format=torch.channels_last)
        for conv, module in zip(self.template, self.convs, strict=True):
            y: Tensor = module(x)
            x = functional.relu6(y) if conv.relu6 else y
        return x.mean((2, 3))

    def folded(self) -> list[Conv]:
        """The convolutions with their present weights, for export."""
        folded = []
        for conv, module in zip(self.template, self.convs, strict=True):
            state = {name: value.numpy() for name, value in module.state_dict().items()}
            folded.append(replace(conv, name=f"tuned_{conv.name}", weight=state["weight"], bias=state["bias"]))
        return folded


class ImageTower(nn.Module):
    """Features to embeddings: a head's direction plus the expected class embedding.

    `base` (n, 1280) are the untouched classifier's features, `own` those of the fine-tuned tail. The second term is the
    idea of ConSE (Norouzi et al., arXiv:1312.5650): the classifier's posterior times one learnt embedding per class, so its
    length shows the classifier's certainty.
    """

    fc: Tensor
    fc_bias: Tensor

    def __init__(self, trunk: Trunk, dropout: float) -> None:
        super().__init__()
        self.tail = Tail(trunk)
        self.head = Head(FEATURES, DIM, HIDDEN, dropout)
        self.classes = nn.Parameter(torch.zeros(1000, DIM))
        self.temperature = nn.Parameter(torch.tensor(0.0))  # log of the factor on the logits
        self.gate = nn.Parameter(torch.tensor(0.0))  # log of the class term's weight
        self.register_buffer("fc", torch.from_numpy(trunk.fc.copy()), persistent=False)
        self.register_buffer("fc_bias", torch.from_numpy(trunk.fc_bias.copy()), persistent=False)

    def logits(self, base: Tensor) -> Tensor:
        """The original classifier's 1,000 logits."""
        return base @ self.fc.T + self.fc_bias

    def forward(self, base: Tensor, own: Tensor) -> Tensor:
        """Unit embeddings (n, dim)."""
        posterior = functional.softmax(self.logits(base) * self.temperature.exp(), 1)
        direct = functional.normalize(self.head(own), dim=1)
        return functional.normalize(direct + self.gate.exp() * (posterior @ self.classes), dim=1)


class TextTower(nn.Module):
    """Mean-pooled MiniLM embeddings (n, 384) to embeddings, starting as the identity after a LayerNorm."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.head = Head(DIM, DIM, HIDDEN, dropout)
        nn.init.eye_(self.head.linear.weight)
        nn.init.zeros_(self.head.linear.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """Unit embeddings (n, dim)."""
        return functional.normalize(self.head(pooled), dim=1)


class Scale(nn.Module):
    """The learnt logit scale, kept as its logarithm."""

    def __init__(self, initial: float = 20.0) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(initial)))

    def forward(self) -> Tensor:
        """The factor itself, capped as in CLIP."""
        return self.log.exp().clamp(max=100.0)
