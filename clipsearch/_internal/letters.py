"""Letters that Unicode does not take apart into a letter and an accent, as people type them without their strokes."""

LETTERS = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
        "ŋ": "n",
        "ħ": "h",
        "ə": "e",
    }
)
"""Small letters, for `str.translate`. Names of places, people, keywords and words of texts are all compared with it."""
