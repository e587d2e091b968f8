"""Make a tiny Llama with random weights in a folder: a byte-level BPE tokenizer trained on Python's own library, a chat template, a
configuration for vLLM (which makes the weights), and model.gguf for llama.cpp. Nothing is downloaded."""
import glob, json, os, pathlib, sys

import gguf
import numpy
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
HIDDEN, LAYERS, HEADS, WINDOW = 64, 2, 2, 4096
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")

tokenizer = Tokenizer(models.BPE(unk_token=None))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train(sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))[:120], trainers.BpeTrainer(
    vocab_size=8000, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
tokenizer.save(str(out / "tokenizer.json"))
size = tokenizer.get_vocab_size()

(out / "tokenizer_config.json").write_text(json.dumps({
    "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": SPECIAL[0], "eos_token": SPECIAL[0], "chat_template": TEMPLATE}))
(out / "config.json").write_text(json.dumps({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": 2 * HIDDEN,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "head_dim": HIDDEN // HEADS, "hidden_act": "silu",
    "max_position_embeddings": WINDOW, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "vocab_size": size, "bos_token_id": 0, "eos_token_id": 0,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "initializer_range": 0.02}, indent=1))

w = gguf.GGUFWriter(str(out / "model.gguf"), "llama")
w.add_context_length(WINDOW)
w.add_embedding_length(HIDDEN)
w.add_block_count(LAYERS)
w.add_feed_forward_length(2 * HIDDEN)
w.add_head_count(HEADS)
w.add_head_count_kv(HEADS)
w.add_rope_dimension_count(HIDDEN // HEADS)
w.add_rope_freq_base(10000.0)
w.add_layer_norm_rms_eps(1e-5)
w.add_vocab_size(size)
w.add_file_type(gguf.LlamaFileType.ALL_F32)
w.add_tokenizer_model("gpt2")
w.add_tokenizer_pre("gpt-2")
w.add_token_list([tokenizer.id_to_token(i) for i in range(size)])
w.add_token_types([gguf.TokenType.CONTROL if i < len(SPECIAL) else gguf.TokenType.NORMAL for i in range(size)])
w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]])
w.add_bos_token_id(0)
w.add_eos_token_id(0)
w.add_add_bos_token(False)
w.add_chat_template(TEMPLATE)
random = numpy.random.default_rng(1)


def tensor(name, *shape):
    values = numpy.ones(shape) if name.endswith("norm.weight") else random.normal(0, 0.02, shape)
    w.add_tensor(name, values.astype(numpy.float32))


tensor("token_embd.weight", size, HIDDEN)
tensor("output.weight", size, HIDDEN)
tensor("output_norm.weight", HIDDEN)
for i in range(LAYERS):
    tensor(f"blk.{i}.attn_norm.weight", HIDDEN)
    tensor(f"blk.{i}.ffn_norm.weight", HIDDEN)
    for part in "q", "k", "v", "output":
        tensor(f"blk.{i}.attn_{part}.weight", HIDDEN, HIDDEN)
    tensor(f"blk.{i}.ffn_gate.weight", 2 * HIDDEN, HIDDEN)
    tensor(f"blk.{i}.ffn_up.weight", 2 * HIDDEN, HIDDEN)
    tensor(f"blk.{i}.ffn_down.weight", HIDDEN, 2 * HIDDEN)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
