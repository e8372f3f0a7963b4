/**
 * Names of rooms that readers take for one another, as `chat/look_alikes.py` has it for those of people. Pure.
 *
 * Two names look alike when they have a skeleton in common, of their small letters or of their capitals: each character is
 * replaced by the one that stands for all that look like it, and case, accents, spaces and punctuation do not count.
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
/** What `i` is taken for besides, and what is taken for two letters. */
const COARSE: [RegExp, string][] = [
	[/[i1]/g, "l"],
	[/0/g, "o"],
	[/m/g, "rn"],
];

/** Asked for again with every message, of all rooms. */
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

/** Ids of those of the rooms whose names look like another one's, in order. */
export function lookingAlike(rooms: Iterable<{ id: number; name: string }>): number[] {
	const bearers = new Map<string, Set<number>>();
	for (const { id, name } of rooms)
		for (const found of skeletons(name)) bearers.set(found, (bearers.get(found) ?? new Set()).add(id));
	const alike = [...bearers.values()].filter((ids) => ids.size > 1).flatMap((ids) => [...ids]);
	return [...new Set(alike)].sort((one, other) => one - other);
}
