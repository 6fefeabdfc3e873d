"""Keys of the data, of word vectors and of the pretrained encoder."""

from dataclasses import dataclass

from dd_al.config.schema import option

SOURCES = ("auto", "local", "hub", "packaged")
SPLITS = ("standard", "seed_paper")
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
ENCODER_FILES = ("config.json", "tokenizer.json", "model.safetensors")


@dataclass(frozen=True)
class DataSettings:
    """What to read, and how; `config.data`."""

    source: str = option("auto", "auto tries dir, $DD_AL_DATA/NAME, the hub, then a stand-in", choices=SOURCES)
    name: str = option(
        "sst2",
        "sst2, sst5, rotten_tomatoes, imdb, trec6; images: mnist, digits, cifar10; rows: moons, circles, blobs; "
        "owner/name on the hub, or one of your own",
    )
    dir: str | None = option(None, "the data set's own file or folder")
    text_column: str = option("text", "column that holds the texts")
    label_column: str = option("label", "column that holds the labels")
    split: str = option("standard", "seed_paper re-splits SST as the seed paper counts it", choices=SPLITS)
    label_map: dict[str, int] | None = option(None, "class of each label; labels in sorted order if unset")
    encoding: str = option("utf-8", "encoding of local text files")
    length: int | None = option(None, "tokens a text is cut and padded to; chosen from the texts if unset", min=1)
    max_train: int | None = option(None, "rows to keep of each split, for smoke runs", min=2)
    columns: tuple[str, ...] | None = option(None, "columns of a table to read; all but the label's if unset")
    scaling: str = option(
        "standard", "of the columns of a table, by its training rows", choices=("standard", "range", "none")
    )
    split_seed: int = option(0, "seed of every split that is made here", min=0)


@dataclass(frozen=True)
class VectorSettings:
    """Where word vectors come from; `config.vectors`."""

    path: str | None = option(None, "word2vec or GloVe file, text or binary; counted from text if unset")
    corpus: str = option("packaged", "counts the training text, or packaged reviews too", choices=("packaged", "train"))
    dim: int = option(100, "columns of counted vectors", min=2)
    min_count: int = option(2, "occurrences that a word needs to be counted", min=1)
    min_overlap: int = option(12, "letters of a held-out sentence that exclude a row containing it", min=0)


@dataclass(frozen=True)
class EncoderSettings:
    """Where the encoder's files are; `config.encoder`."""

    dir: str | None = option(
        None, f"folder with {', '.join(ENCODER_FILES)}; $DD_AL_ENCODER, the installed package, then the hub if unset"
    )
    name: str | None = option(None, f"on the hub, such as google-bert/bert-base-uncased; {ENCODER} if all is unset")

    def __post_init__(self):
        if self.dir and self.name:
            raise ValueError(f"dir = {self.dir!r} and name = {self.name!r}: set one of them")
