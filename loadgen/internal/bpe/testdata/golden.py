"""Asks Hugging Face's tokenizers for golden.json: pip install tokenizers."""
import json, pathlib, tokenizers
from tokenizers import Tokenizer

here = pathlib.Path(__file__).parent
texts = [
    "", " ", "a", "the quick brown fox", " the", "The theme, then; therefore!", "it's IT'S we'LL I'M he'd", "'ſx'S",
    "1234567 89 3.14159", "x 1 22 333 4444", "(foo).bar", "\tx\ty", "a   b", "a   ", "   a", "a;\n\nb", " \n \n  x", "\r\n\r\nx\r\n",
    "a\u00a0b\u00a0 c", "a\u2028b\u0085c", "½²٣4", "größer als müde Bären", "Быстрая лиса", "素早い茶色の狐", "😀😀👍🏽 e\u0301", "\u200d\u200c",
    "func main() {\n\tfor i := 0; i < 10; i++ {\n\t}\n}\n\n\n\nx", "if x == y:\n        return x", "quickest lazily lazily", "\n\n\n", "\n\n\n\n",
    "<|endoftext|>", "a <|endoftext|> b", "<|begin_of_text|>the dog<|eot_id|>", "<|eot_id|>x <|eot_id|>", "<|eot_id", "a  <tool>  b", "<tool><tool>",
    "alone", "alone alone, aloneness standalone", "_alone alone_", "alone1 éalone", "  <tool>", "<|im_end|><tool> alone",
    "the" * 30, "!!!???...", "foo!!!\n\n\nbar", "don't DON'T don’t", "\x00\x01\x7f", "tokenization tokenizer tokens runner", "a\u3000b \u3000 c",
]
cases = [
    {"family": family, "text": text, "ids": Tokenizer.from_file(str(here / f"{family}.tokenizer.json")).encode(text, add_special_tokens=False).ids}
    for family in ("gpt2", "llama3", "qwen2") for text in texts
]
note = f"token ids by Hugging Face tokenizers {tokenizers.__version__} of the vocabularies beside this file"
lines = ",\n  ".join(json.dumps(c) for c in cases)
(here / "golden.json").write_text(f'{{"note": {json.dumps(note)}, "cases": [\n  {lines}\n]}}\n')
