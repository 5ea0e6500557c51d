"""Writes the fixture of the real NLI model: nli_pairs.json with the ids and
logits of pairs of texts, nli_zero_shot.json with the scores that the
reference's zero-shot pipeline gives labels. It must never use Remora.

usage: make_nli.py MODEL

MODEL is the nli-deberta-v3-xsmall directory. Runs in an environment with the
requirements-parity.txt beside it: float32 on the CPU, one pair at a time, so
that no padding takes part. Tokens are those of tokenizer.json: the library's
class for DeBERTa puts another normalizer in the place of the one in there.
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

HERE = Path(__file__).resolve().parent
LABELS = ["billing", "bug report", "feature request", "account access",
          "other"]
TEMPLATE = "This text is about {}."
DEFAULT_TEMPLATE = "This example is {}."
# What the model was published to answer.
ROUTES = {
    "My card was charged twice for the same invoice.": ("billing", 0.522),
    "The app crashes when I click save.": ("bug report", 0.328),
    "Please add dark mode.": ("feature request", 0.309),
    "I can't log in, my password reset mail never arrives.":
    ("account access", 0.613),
}
TEXTS = [
    *ROUTES,
    "Refund please!!! You took 49,99 € from me in March AND in April.",
    "Since yesterday's update the export to CSV writes an empty file, "
    "whatever I select, on both of my machines.",
    "Thanks, everything works now.",
    "Die Rechnung vom Mai ist doppelt abgebucht worden.",
    "パスワードを忘れました。どうすればいいですか？",
    "ok",
    "Hi team, three things: the invoice is wrong, the page is slow, and could "
    "you let my colleague in? 🙏",
    # More than the model takes, so that its end is cut.
    " ".join(f"Line {i} of the log says that worker {i * 7 % 31} stopped, "
             "was started again and stopped." for i in range(20)),
]
HYPOTHESES = [
    "Somebody wants their money back.",
    "The software does not work as it should.",
]
OTHERS = [
    ("", "This text is about billing."),
    ("A soccer game with multiple males playing.",
     "Some men are playing a sport."),
    ("An older and younger man smiling.",
     "Two men are crying over a cat on the floor."),
    ("   spaces \t and\nlines   ", "There are spaces.\n"),
]


def pairs(model, tokenizer):
    asked = [(text, one) for text in TEXTS for one in HYPOTHESES] + OTHERS
    asked += [(text, TEMPLATE.format(label)) for text in ROUTES
              for label in LABELS]
    for text, hypothesis in asked:
        encoded = tokenizer(text, hypothesis, truncation="only_first",
                            return_tensors="pt")
        whole = tokenizer(text, hypothesis)["input_ids"]
        with torch.no_grad():
            logits = model(**encoded).logits[0]
        ids = encoded["input_ids"][0].tolist()
        yield {"text": text, "hypothesis": hypothesis, "ids": ids,
               "truncated": len(ids) < len(whole),
               "logits": logits.tolist()}


def zero_shot(pipeline):
    for text in TEXTS:
        for template in (TEMPLATE, DEFAULT_TEMPLATE):
            for multi in (False, True):
                answer = pipeline(text, LABELS, hypothesis_template=template,
                                  multi_label=multi)
                yield {"text": text, "template": template,
                       "multi_label": multi, "labels": answer["labels"],
                       "scores": answer["scores"]}


def check_routes(answers):
    """The scores are those that the model was chosen for."""
    for one in answers:
        if one["text"] in ROUTES and one["template"] == TEMPLATE \
                and not one["multi_label"]:
            label, score = ROUTES[one["text"]]
            assert one["labels"][0] == label, one
            assert abs(one["scores"][0] - score) < 5e-4, one


def write(name, rows):
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (HERE / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{name}: {len(rows)} rows")


def main(directory):
    torch.set_num_threads(1)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(directory)
    pipeline = transformers.pipeline(
        "zero-shot-classification", model=directory, tokenizer=tokenizer,
        dtype=torch.float32, device="cpu")
    assert pipeline.model.dtype == torch.float32
    answers = list(zero_shot(pipeline))
    check_routes(answers)
    logits = list(pairs(pipeline.model, pipeline.tokenizer))
    assert any(row["truncated"] for row in logits)
    assert max(len(row["ids"]) for row in logits) == 160
    write("nli_pairs.json", logits)
    write("nli_zero_shot.json", answers)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.dont_write_bytecode = True
    main(sys.argv[1])
