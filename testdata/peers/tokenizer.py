"""tokenizer.py FOLDER: train a small byte-level BPE tokenizer on the standard library's sources, so that no peer downloads one."""
import json, pathlib, sys, sysconfig
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

folder = pathlib.Path(sys.argv[1])
t = Tokenizer(models.BPE(unk_token=None))
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.decoder = decoders.ByteLevel()
sources = sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:120]
t.train([str(s) for s in sources], trainers.BpeTrainer(vocab_size=8000, special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<|endoftext|>", bos_token="<|endoftext|>").save_pretrained(folder)
(folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))  # AIPerf takes no folder without one
