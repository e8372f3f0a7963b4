"""The functions of migration 0038 with the same results in less time; the index stays as it is.

`translate` compares each character with each that it may replace, and the text search parser reads
twice what is apart already. tests/integration/queries/test_search_limits.py compares both versions.
"""

from django.db import migrations

# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, ideographs, Hangul.
RUN = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Emoji, currencies, arrows and other signs that are no letters.
SIGN = (
    r"[\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2020-\u2027"
    r"\u2030-\u205e\u20a0-\u20e3\u2190-\u2bff\u3030\u303d\U0001f000-\U0001ffff]"
)

# One form for what people take as the same: case, compatibility and composed forms, accents of
# Latin and Greek letters and stress marks, ё and е, kinds of quotes and dashes; without what is
# invisible. Most bodies hold nothing but ASCII, Russian and typographers' marks, where less does.
FOLD = r"""
        IF octet_length(body) = char_length(body) THEN
            folded := lower(body);
        ELSIF body !~ '[^\u0001-\u007f\u00ab\u00bb\u0401\u0410-\u044f\u0451'
                '\u2013\u2014\u2018\u2019\u201c-\u201e]' THEN
            folded := lower(body);
            IF folded ~ '[\u00ab\u00bb\u0451\u2013\u2014\u2018\u2019\u201c-\u201e]' THEN
                folded := translate(folded,
                    U&'\0451\2018\2019\201c\201d\201e\00ab\00bb\2013\2014',
                    U&'\0435' || repeat('''', 2) || repeat('"', 5) || repeat('-', 2));
            END IF;
        ELSE
            folded := lower(normalize(translate(body, U&'\0130\0131', 'ii'), NFKC));
            IF folded ~ '[\u00c0-\u024f\u0370-\u03ff\u1e00-\u1fff]' THEN
                folded := normalize(
                    regexp_replace(
                        normalize(folded, NFD), '([a-z\u0370-\u03ff])[\u0300-\u036f]+', '\1', 'g'
                    ), NFC);
                folded := translate(folded, U&'\03c2\00f8\0142\0111', U&'\03c3old');
                folded := replace(folded, U&'\00df', 'ss');
            END IF;
            folded := translate(folded,
                U&'\0451\2018\2019\201b\02bc\201c\201d\201e\00ab\00bb'
                '\2010\2011\2012\2013\2014\2015\2212'
                '\0300\0301\00ad\034f\061c\180e\200b\200c\200d\200e\200f\202a\202b\202c\202d\202e'
                '\2060\2061\2062\2063\2064\2066\2067\2068\2069\fe0e\fe0f\feff',
                U&'\0435' || repeat('''', 4) || repeat('"', 5) || repeat('-', 7));
        END IF;
"""

# Of a folded body what stands between spaces (`rest`): letters apart from digits, and of each sign
# its number. `pairs` are neighbours in scripts without spaces: of 中文字 these are 中文, 文字 and,
# alone, the last one, 字. NFKC makes up to 18 characters of one; what is too much is left out.
TAKE_APART = r"""
        rest := left(folded, 20000);
        IF octet_length(rest) > char_length(rest) AND rest ~ '[^\u0001-\u00a0\u0400-\u052f]' THEN
            IF rest ~ '<<RUN>>' THEN
                pairs := ARRAY(
                    SELECT DISTINCT one || lead(one, 1, '') OVER (PARTITION BY run ORDER BY place)
                    FROM regexp_matches(rest, '<<RUN>>+', 'g') WITH ORDINALITY AS runs (piece, run),
                        string_to_table(piece[1], NULL) WITH ORDINALITY AS ones (one, place));
                rest := regexp_replace(rest, '<<RUN>>+', ' ', 'g');
            END IF;
            IF rest ~ '<<SIGN>>' THEN
                SELECT string_agg(DISTINCT 'x' || to_hex(ascii(sign[1])), ' ') INTO signs
                FROM regexp_matches(rest, '<<SIGN>>', 'g') AS sign;
                rest := regexp_replace(rest, '<<SIGN>>+', ' ', 'g');
            END IF;
        END IF;
        rest := regexp_replace(rest, '[!-/:-@[-`{-~]', ' ', 'g');
        IF rest ~ '\d' THEN
            rest := regexp_replace(rest, '(\d+)', ' \1 ', 'g');
        END IF;
        -- PostgreSQL leaves out words of more than 2,046 bytes, and an index takes no long ones
        IF char_length(rest) > 200 AND rest ~ '\S{201}' THEN
            rest := regexp_replace(rest, '(\S{200})', '\1 ', 'g');
        END IF;
        rest := concat_ws(' ', rest, signs);
"""
TAKE_APART = TAKE_APART.replace("<<RUN>>", RUN).replace("<<SIGN>>", SIGN)

# None of them calls another one, which would have to be found: each call of a function that sets a
# path takes longer than to fold a short body.
PURE = "LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog"
FOLDED = f"""
    CREATE OR REPLACE FUNCTION chat_folded(body text) RETURNS text {PURE} COST 300 AS $f$
    DECLARE
        folded text;
    BEGIN
        {FOLD}
        RETURN folded;
    END
    $f$;
"""

# All words of a body, between spaces.
SPLIT = f"""
    CREATE OR REPLACE FUNCTION chat_split(body text) RETURNS text {PURE} COST 1000 AS $f$
    DECLARE
        folded text;
        rest text;
        signs text;
        pairs text[] := ARRAY[]::text[];
    BEGIN
        {FOLD}
        {TAKE_APART}
        RETURN concat_ws(' ', rest, nullif(array_to_string(pairs, ' '), ''));
    END
    $f$;
"""

# "russian" stems words in Latin letters as English.
WORDS = f"""
    CREATE OR REPLACE FUNCTION chat_words(room bigint, body text) RETURNS tsvector {PURE} COST 2000 AS $f$
    DECLARE
        folded text;
        rest text;
        signs text;
        words tsvector;
        pairs text[] := ARRAY[]::text[];
    BEGIN
        {FOLD}
        {TAKE_APART}
        IF rest !~ '[^a-z0-9 \n\u0430-\u044f]' THEN
            -- As the parser would, which takes longer
            words := array_to_tsvector(
                array_remove(string_to_array(translate(rest, E'\n', ' '), ' '), ''));
        ELSE
            words := strip(to_tsvector('simple', rest));
        END IF;
        RETURN words || strip(to_tsvector('russian', rest))
            || array_to_tsvector(pairs || ('#' || room));
    END
    $f$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0040_old_search_is_left"),
    ]

    operations = [
        migrations.RunSQL(FOLDED, migrations.RunSQL.noop),
        migrations.RunSQL(SPLIT, migrations.RunSQL.noop),
        migrations.RunSQL(WORDS, migrations.RunSQL.noop),
    ]
