# SPDX-License-Identifier: Apache-2.0
"""The starter model's tokenizer: a byte-level BPE vocabulary in CLIP's layout, trained on the world's captions."""

import json
import os

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = 420
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
# Words of the usual training templates, which the captions do not use.
EXTRA = (
    "a nice photo of the clean dark weird cool small large photo in the style of a painting , a rendering , my one , and with "
    "left right top bottom object thing style concept toy dog cat cute shape color pattern"
)


def byte_characters():
    """Return the printable character that stands for each byte, in the order in which byte-level vocabularies list them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(code) for code in printable] + [chr(256 + i) for i in range(others)]


def train_merges(captions):
    """Return the merges of a byte-pair encoding of the captions, most frequent first."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=512 + MERGES,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        special_tokens=[],
    )
    tokenizer.train_from_iterator(captions + [EXTRA] * 50, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def write_tokenizer(folder, captions):
    """Train a tokenizer on the captions and write CLIP's four files. Ids: bytes, bytes that end a word, merges, two specials."""
    merges = train_merges(captions)
    characters = byte_characters()
    vocabulary = characters + [character + "</w>" for character in characters]
    vocabulary += [merge.replace(" ", "") for merge in merges] + [START, END]
    vocabulary = list(dict.fromkeys(vocabulary))
    specials = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    configuration = {
        **specials,
        "model_max_length": 77,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
        "tokenizer_class": "CLIPTokenizer",
    }

    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vocab.json"), "w") as file:
        json.dump({token: number for number, token in enumerate(vocabulary)}, file, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w") as file:
        file.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump(configuration, file, indent=2)
    with open(os.path.join(folder, "special_tokens_map.json"), "w") as file:
        json.dump(specials, file, indent=2)
