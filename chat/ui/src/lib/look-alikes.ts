/**
 * Names of rooms that readers may confuse; `chat/look_alikes.py` does the same for people's names. Pure.
 *
 * Two names look alike if they share a skeleton, of their small letters or of their capitals: each character is
 * replaced by a representative of all that look like it, and case, accents, spaces and punctuation are ignored.
 */

/** Letter or digit → letters of other alphabets that look like it; `tests/unit/names/test_look_alikes.py` compares. */
const LETTERS: Record<string, string> = {
	2: "ƧƻϨꙄꝚ",
	3: "ƷȜЗҘӠⳌꝪꞫ",
	4: "Ꮞ",
	5: "Ƽ",
	6: "бᏮⳒ",
	8: "Ȣȣ",
	9: "ⳊꝮ",
	a: "ɑΑαАаᎪᴀ",
	b: "ƀƂƃƄɓʙΒБВЬѢѣҌҍᏏᏴꞴ",
	c: "ȼСсҪҫᏟᴄⲤⲥꮯ",
	d: "ÐĐđƉƌɖɗԁᎠᏧᴅ",
	e: "ɆɇΕЕеҽҿᎬᴇꬲ",
	f: "ƑƒϜքᵮẝꜰꞘꞙꬵ",
	g: "ƍǤǥɠɡɢԌցᏀᏳᶃ",
	h: "ĦħɦʜΗНћҢһӇӉհᎻᏂᏲⱧⲎꚕ",
	i: "ıɨɩɪιіӏᎥᵻᵼꙇꭵ",
	j: "ɈɉͿϳЈјᎫᴊꞲ",
	k: "ƙΚКҚҞᏦᴋⱩⲔꝀ",
	l: "ŁłƖƗƚǀɫɭʟΙІӀᏞⲒⳐ",
	m: "ΜϺМӍᎷⲘꭑ",
	n: "ƝƞɲɳɴΝηոռᵰⲚ",
	o: "ØøƟɵΘΟθοσОоѲѳӨөՕօᎾᏫᴏᴑⲞⲟꝊꝋꬽꬾꭴꮎꮻ",
	p: "ƥΡρРрᏢᴘᵽⲢⲣ",
	q: "ʠԛգզꞯ",
	r: "ƦɍɼɽʀгғᎡᏒᴦᵲⲅꭇꭈꮁ",
	s: "ƽʂЅѕՏᏕᏚᵴꜱꮪ",
	t: "ŦŧƭƮȾΤТҬᎢᴛᵵⲦ",
	u: "ɄʋυՍսᏌᴜᵾꞟꭎꭒꮜ",
	v: "νѴѵᏙᴠꮩ",
	w: "ɯѡѽԜԝաᎳᏔᴡꝡꮃ",
	x: "ΧХхҲⲬꞳ",
	y: "ƴɎɏɣʏΥγУуҮүҰұᎩᎽᶌỿⲨꭚ",
	z: "ƵƶȤȥʐΖᏃᴢᵶꮓ",
};

const REPLACED = new Map(
	Object.entries(LETTERS).flatMap(([like, letters]) => [...letters].map((letter) => [letter, like])),
);
/** Other characters that are mistaken for `i`, and characters that are mistaken for two letters. */
const COARSE: [RegExp, string][] = [
	[/[i1]/g, "l"],
	[/0/g, "o"],
	[/m/g, "rn"],
];

/** Cached, because it is needed for all rooms with every message. */
const MAX_KNOWN = 5_000;
const known = new Map<string, string[]>();

export function skeletons(name: string): string[] {
	const before = known.get(name);
	if (before) return before;
	const plain = name.normalize("NFKC");
	const found = [...new Set([skeleton(plain.toLowerCase()), skeleton(plain.toUpperCase())])];
	if (known.size >= MAX_KNOWN) known.clear();
	known.set(name, found);
	return found;
}

function skeleton(text: string): string {
	const letters = [...text.normalize("NFD")].map((letter) => REPLACED.get(letter) ?? letter).join("");
	const folded = letters
		.normalize("NFD")
		.toLowerCase()
		.replace(/[^\p{L}\p{N}]/gu, "");
	return (
		COARSE.reduce((found, [from, to]) => found.replace(from, to), folded) || text.replace(/\s/g, "") || text
	);
}

/** Ids of the rooms whose names look like another room's, in order. */
export function lookingAlike(rooms: Iterable<{ id: number; name: string }>): number[] {
	const bearers = new Map<string, Set<number>>();
	for (const { id, name } of rooms)
		for (const found of skeletons(name)) bearers.set(found, (bearers.get(found) ?? new Set()).add(id));
	const alike = [...bearers.values()].filter((ids) => ids.size > 1).flatMap((ids) => [...ids]);
	return [...new Set(alike)].sort((one, other) => one - other);
}
