"""The same training as people write it with TRL: messages in, its own rendering and masking."""

from training import dataset, material
from training.render import TEMPLATES

STEPS = 10


def losses(base, recipe, data, folder):
    """The loss of the first steps."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    rows, _ = material.split(dataset.read(data).rows, recipe.held_back, recipe.seed)
    set_seed(recipe.seed)
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16),
        args=SFTConfig(
            output_dir=str(folder),
            chat_template_path=str(TEMPLATES / f"{recipe.family}.jinja"),
            assistant_only_loss=True,
            max_steps=STEPS,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type=recipe.lr_scheduler_type,
            warmup_steps=recipe.warmup_share,
            optim="adamw_torch",
            bf16=True,
            use_cpu=True,
            activation_checkpointing=False,
            save_strategy="no",
            logging_steps=1,
            seed=recipe.seed,
            data_seed=recipe.seed,
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list([{"messages": list(row.messages)} for row in rows]),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            r=recipe.r,
            lora_alpha=recipe.lora_alpha,
            lora_dropout=recipe.lora_dropout,
            target_modules=list(recipe.target_modules),
            task_type="CAUSAL_LM",
        ),
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
