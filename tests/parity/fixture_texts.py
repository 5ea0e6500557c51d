"""The texts of the parity fixture: sentences written for it in many languages,
and the texts that break tokenizers. It must never read a text from outside the
repository: the fixture can be made again anywhere.
"""

import random

LANGUAGES = {
    "english": [
        "The card was charged twice and nobody has answered my message yet.",
        "How do I reset the password of an account I can no longer open?",
        "A small fish rides on a large one and pays nothing for the journey.",
        "Don't you think it's the neighbours' dog that's been barking?",
    ],
    "german": [
        "Die Straßenbahn fährt übermorgen größtenteils über Köln.",
        "Öffentliche Verkehrsmittel dürfen Fußgänger nicht gefährden; STRASSE "
        "oder STRAẞE?",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik",
    ],
    "french": [
        "L'été dernier, nous avons mangé des crêpes près de l'île où naquit "
        "Zoé.",
        "Où est passé le garçon qui dînait à côté ? « Il dort », dit-elle.",
    ],
    "spanish": [
        "¿Dónde está el niño que jugaba mañana por la mañana? ¡Ayúdame!",
        "El pingüino corrió rápidamente hacia la cigüeña.",
    ],
    "portuguese": [
        "Amanhã não haverá pão na padaria da avó, só maçãs e limões.",
    ],
    "italian": ["Perché la città è così tranquilla? Chissà, forse piove già."],
    "dutch": ["Het ijsje smolt voordat de reünie coördinatie kreeg."],
    "swedish": ["Åsa åker över ån i en båt full av älgar och öl."],
    "norwegian": ["Blåbærsyltetøy er det beste jeg vet på en frossen fjelltopp."],
    "danish": ["Rødgrød med fløde smager bedst på en mørk aften på Ærø."],
    "finnish": ["Hääyöaie kuulostaa oudolta, mutta töölöläinen ymmärtää sen."],
    "icelandic": ["Það er ævintýri að ganga á jökli þegar sólin skín."],
    "irish": ["Tá an ghrian ag taitneamh ach beidh fearthainn ann tráthnóna."],
    "welsh": ["Mae'r tŷ ar y bryn yn edrych dros y môr a'r llŷn."],
    "polish": ["Zażółć gęślą jaźń, powiedział źrebak do żółwia w Łodzi."],
    "czech": ["Příliš žluťoučký kůň úpěl ďábelské ódy nad řekou."],
    "slovak": ["Kŕdeľ ďatľov učí koňa žrať kôru vždy o piatej."],
    "hungarian": ["Az öreg tűzoltó főzött egy erős fűszeres levest."],
    "romanian": ["Țara întreagă așteaptă ploaia, iar șoseaua e goală."],
    "turkish": [
        "İstanbul'da ışıklar söndü; ILIK bir rüzgâr Iğdır'dan esti.",
        "Çilek, üzüm ve şeftali aldım, ağabeyim görmedi.",
    ],
    "azerbaijani": ["Gələn həftə Bakıya gedəcəyik, ancaq hələ bilet yoxdur."],
    "vietnamese": [
        "Hôm nay trời đẹp quá, chúng ta đi dạo quanh hồ nhé!",
        "Người thợ sửa đồng hồ đã về nhà từ chiều hôm qua.",
    ],
    "indonesian": ["Besok pagi kami akan berlayar ke pulau kecil itu."],
    "tagalog": ["Umuulan na naman kaya manatili na lang tayo sa bahay."],
    "swahili": ["Samaki mdogo husafiri pamoja na papa mkubwa baharini."],
    "yoruba": ["Ẹja kékeré náà ń gun ẹja ńlá lọ sí òkun."],
    "hawaiian": ["Ua hele aku nei ka iʻa liʻiliʻi me ka manō nui."],
    "maltese": ["Il-ħuta ż-żgħira tgħum mal-kelb il-baħar."],
    "latvian": ["Mazā zivtiņa ceļo kopā ar lielo haizivi pa jūru."],
    "lithuanian": ["Šiąnakt žvaigždės švietė ryškiau už mėnulį."],
    "estonian": ["Õunapuu õitseb ja öö on juba üsna soe."],
    "croatian": ["Džungla je gusta, ali čađavi đak traži ljubičasti cvijet."],
    "albanian": ["Shtëpia është afër liqenit dhe çdo mëngjes fryn erë."],
    "esperanto": ["Ĉiuĵaŭde la ĝoja ŝipestro manĝas freŝan fiŝon."],
    "greek": [
        "Ο ΟΔΥΣΣΕΥΣ γύρισε στο σπίτι του ύστερα από πολλά χρόνια.",
        "Τα μικρά ψάρια ταξιδεύουν με τα μεγάλα· γιατί όχι;",
        "ἐν ἀρχῇ ἦν ὁ λόγος τῆς μικρᾶς ἱστορίας",
    ],
    "russian": [
        "Маленькая рыба едет на большой, ёж сидит под ёлкой и ест съёмный "
        "йогурт.",
        "С карты дважды списали деньги, когда их вернут?",
    ],
    "ukrainian": ["Їжак з'їв ґудзик, а єнот чекав на Київ щодня."],
    "bulgarian": ["Щъркелът отлетя на юг преди първия сняг."],
    "serbian": ["Љубичица и њен ђак чекају џип код Ћуприје."],
    "kazakh": ["Қазақстанның даласында ұлы қыран қалықтап жүр."],
    "mongolian": ["Өнөөдөр цаг агаар сайхан байна, үүл алга."],
    "georgian": [
        "პატარა თევზი დიდ თევზთან ერთად მოგზაურობს.",
        "ᲞᲐᲢᲐᲠᲐ ᲗᲔᲕᲖᲘ",
    ],
    "armenian": ["Փոքրիկ ձուկը ճամփորդում է մեծի հետ միասին։ ԵՒ ՄԵԾԸ և"],
    "hebrew": [
        "דג קטן רוכב על דג גדול ואינו משלם על הדרך.",
        "שָׁלוֹם לְכֻלָּם, הַיּוֹם יוֹם יָפֶה",
    ],
    "arabic": [
        "السمكة الصغيرة تسافر مع القرش الكبير في البحر.",
        "اَلسَّلَامُ عَلَيْكُمْ وَرَحْمَةُ اللهِ",
        "الطـــــقس جميل اليوم، أليس كذلك؟ ٠١٢٣٤٥٦٧٨٩",
    ],
    "persian": ["ماهی کوچک با کوسهٔ بزرگ سفر می‌کند و کرایه نمی‌دهد."],
    "urdu": ["چھوٹی مچھلی بڑی مچھلی کے ساتھ سفر کرتی ہے۔"],
    "hindi": [
        "छोटी मछली बड़ी मछली पर सवार होकर यात्रा करती है।",
        "क्षत्रिय ज्ञानी श्रद्धा से पढ़ते हैं",
    ],
    "marathi": ["लहान मासा मोठ्या माशासोबत प्रवास करतो."],
    "bengali": ["ছোট মাছটি বড় মাছের সঙ্গে ভ্রমণ করে, ভাড়া দেয় না।"],
    "punjabi": ["ਛੋਟੀ ਮੱਛੀ ਵੱਡੀ ਮੱਛੀ ਦੇ ਨਾਲ ਸਫ਼ਰ ਕਰਦੀ ਹੈ।"],
    "gujarati": ["નાની માછલી મોટી માછલી સાથે મુસાફરી કરે છે."],
    "tamil": ["சிறிய மீன் பெரிய மீனுடன் பயணம் செய்கிறது."],
    "telugu": ["చిన్న చేప పెద్ద చేపతో ప్రయాణిస్తుంది."],
    "kannada": ["ಸಣ್ಣ ಮೀನು ದೊಡ್ಡ ಮೀನಿನೊಂದಿಗೆ ಪ್ರಯಾಣಿಸುತ್ತದೆ."],
    "malayalam": ["ചെറിയ മീൻ വലിയ മീനിനൊപ്പം യാത്ര ചെയ്യുന്നു."],
    "sinhala": ["කුඩා මාළුවා විශාල මාළුවා සමඟ ගමන් කරයි."],
    "nepali": ["सानो माछा ठूलो माछासँग यात्रा गर्छ।"],
    "thai": [
        "ปลาตัวเล็กเดินทางไปกับปลาตัวใหญ่โดยไม่ต้องจ่ายค่าโดยสาร",
        "น้ำใจ กำลัง ทำงาน ๑๒๓",
    ],
    "lao": ["ປານ້ອຍເດີນທາງກັບປາໃຫຍ່"],
    "khmer": ["ត្រីតូចធ្វើដំណើរជាមួយត្រីធំ"],
    "burmese": ["ငါးငယ်လေးသည် ငါးကြီးနှင့်အတူ ခရီးသွားသည်။"],
    "tibetan": ["ཉ་ཆུང་ཆུང་དེ་ཉ་ཆེན་པོ་དང་མཉམ་དུ་འགྲོ།"],
    "amharic": ["ትንሹ ዓሣ ከትልቁ ዓሣ ጋር ይጓዛል።"],
    "chinese": [
        "小鱼骑在大鱼身上，不用付路费。",
        "我的银行卡被重复扣款了，请问什么时候可以退款？",
        "這個句子是用繁體中文寫的，還有㐀和𠀀兩個罕見字。",
        "混合English和中文123的句子。",
    ],
    "japanese": [
        "小さな魚は大きな魚に乗って、運賃を払わずに旅をします。",
        "ﾊﾝｶｸｶﾀｶﾅとゼンカクカタカナ、ｶﾞｷﾞｸﾞとガギグ",
        "パスワードを忘れました。どうすればいいですか？",
    ],
    "korean": [
        "작은 물고기가 큰 물고기를 타고 공짜로 여행합니다.",
        "카드가 두 번 결제되었는데 환불은 언제 되나요?",
    ],
    "cherokee": ["ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ꭰꭱꭲ"],
    "inuktitut": ["ᐃᖃᓗᒃ ᒥᑭᔪᖅ ᐊᖏᔪᒥᒃ"],
    "deseret": ["𐐔𐐯𐑅𐐨𐑉𐐯𐐻 𐐼𐐯𐑅𐐨𐑉𐐯𐐻"],
    "gothic": ["𐌲𐌿𐍄𐌹𐍃𐌺"],
    "egyptian": ["𓂀𓃠𓅓"],
    "adlam": ["𞤀𞤣𞤤𞤢𞤥 𞤢𞤣𞤤𞤢𞤥"],
    "runic": ["ᚠᛁᛋᚴᚱ ᚱᛁᛞᚱ"],
    "ogham": ["ᚁᚂᚃ ᚄᚅ"],
    "braille": ["⠋⠊⠎⠓"],
}

EMOJI = [
    "🐟",
    "Great job! 👍👍🏽👍🏿 see you 🌊",
    "family 👨‍👩‍👧‍👦 and couple 👩‍❤️‍💋‍👨",
    "flags 🇩🇪🇯🇵🇺🇳 and 🏴󠁧󠁢󠁳󠁣󠁴󠁿 and 🏳️‍🌈",
    "heart ❤ ❤️ ❤︎ keycaps 1️⃣ #️⃣ *️⃣",
    "🙂" * 40,
    "👩🏽‍🚀launched🚀to🌕",
    "☃️☂️☎️✂️✈️",
    "\u200d\u200d alone \ufe0f",
]

UNICODE = {
    "composed": "café naïve résumé Ångström",
    "decomposed": "cafe\u0301 nai\u0308ve re\u0301sume\u0301 A\u030angstro\u0308m",
    "many_marks": "Z" + "\u0300\u0316\u0323\u0334\u0351" * 12 + "algo",
    "leading_mark": "\u0301acute first, \u0327 cedilla alone",
    "mark_order": "q\u0307\u0323 and q\u0323\u0307",
    "hangul_jamo": "\u1112\u1161\u11ab\u1100\u1173\u11af 한글",
    "compat_ideographs": "\uf900\uf901\ufa0e\U0002f800 豈",
    "cjk_edges": "a\u33ffb\u3400c\u4dbfd\u4dc0e\u4dffF\u4e00g\u9fffh\ua000i",
    "cjk_extension_edges": "a\U0001ffffb\U00020000c\U0002a6dfd\U0002a6e0e"
    "\U0002a700f\U0002b73fg\U0002b740h\U0002b81fi\U0002b820j\U0002ceafk"
    "\U0002ceb0l\U0002ebe0m\U00030000n",
    "cjk_compat_edges": "a\uf8ffb\uf900c\ufaffd\ufb00e\U0002f800f\U0002fa1fg"
    "\U0002fa20h",
    "radicals": "⺀⺁⻳⼀⿕ ⿰亻尔",
    "fullwidth": "ＡＢＣ ａｂｃ １２３ ！？（）",
    "ligatures": "ﬁﬂ ﬃ ﬄ ĳ ŉ ǆ ǅ Ǆ",
    "math": "𝐀𝑩𝓒𝔇𝕰 𝟎𝟏𝟐 ∑∏∫ x² + y² = z², a ≤ b ≠ c ∈ ℝ",
    "roman": "Ⅳ ⅻ ½ ⅓ ¾ № ℡ ™ ®",
    "superscripts": "x₁ x² xⁿ H₂O E=mc²",
    "sigma": "ΣΊΣΥΦΟΣ Σ ΑΣ ΑΣΑ σς",
    "dotted_i": "İI ıi i\u0307 I\u0307 J\u030c ǰ",
    "sharp_s": "ß ẞ SS ſ ﬅ",
    "kelvin": "K Å Ω µ μ",
    "turned": "Ɐ ɐ Ꞌ ꞌ Ɫ ɫ ẛ̣",
    "dz": "Ǳ ǲ ǳ Ǉ ǈ ǉ",
    "polytonic": "ᾳ ᾼ ᾈ ΐ ΰ ᾷ",
    "cyrillic_marks": "и\u0306 й ё е\u0308 ї і\u0308 к\u0483",
    "indic_nukta": "क़ क\u093c ड़ ড় ਸ਼",
    "thai_sara_am": "ำ นํา น\u0e4dา",
    "arabic_forms": "ﻼ ﷺ ﷲ ﺍﻟﺴﻼﻡ ﴿﴾",
    "spaces": "a\u00a0b\u1680c\u2000d\u2003e\u2009f\u200ag\u202fh\u205fi\u3000j",
    "separators": "a\u2028b\u2029c\u0085d\u000be\u000cf",
    "zero_width": "zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffmark",
    "bom": "\ufeffbyte order mark first",
    "soft_hyphen": "co\u00adop\u00ader\u00adate",
    "bidi": "\u202eright to left\u202c \u2066isolated\u2069 \u200fmark\u200e",
    "tags": "tag \U000e0041\U000e0042\U000e007f end",
    "variation": "葛\U000e0100 and 葛\ufe00 ",
    "private_use": "\ue000 x\uf8ffy \U000f0000 \U0010fffd",
    "noncharacters": "a\ufdd0b\ufffec\uffffd\U0001fffe\U0010ffff",
    "unassigned": "a\u0378b\u05ffc\U000323b0d\U000e0fff",
    "replacement": "a\ufffdb \ufffd \ufffd\ufffd",
    "interlinear": "\ufff9anchor\ufffaseparator\ufffb\ufffc",
    "mongolian_vowel_separator": "ᠮᠣᠩ\u180eᠭᠣᠯ",
    "hangul_filler": "a\u3164b\u115fc\u1160d\uffa0e",
    "arabic_number_sign": "\u0600\u0601١٢٣ \u06dd٤ \u070fܐ",
    "music": "𝄞 𝅘𝅥𝅮 \U0001d173beam\U0001d174",
    "dashes": "a-b‐c‑d‒e–f—g―h−i﹘j－k",
    "quotes": "“double” ‘single’ „low‟ «guillemets» ‹single› ‚x‛ 「日」『本』",
    "unicode_punctuation": "¡¿§¶·‖…†‡•‰′″‽⁂⁇※‼⸘⸮、。〈〉《》【】〜・",
    "unicode_symbols": "€£¥¢₹₿ ←↑→↓ ■□▲△ ♠♥♦♣ ☀☁☂ ©®™ °±×÷ ⌘⌥⇧",
    "box": "┌─┬─┐│ │ │├─┼─┤└─┴─┘ ░▒▓█",
    "script_mix": "paypаl аpple gооgle",
    "enclosed": "①②③ ⓐⓑⓒ ㈠㈡ ㊀㊁ 🅰🅱 🄰",
    "phonetic": "ˈfɪʃ ˌɹaɪdɪŋ ɒn ə ʃɑːk",
}

PLAIN = {
    "empty": "",
    "space": " ",
    "spaces": "        ",
    "tab_newline": "\t\n\r\n \t",
    "ideographic_space": "\u3000\u3000",
    "zero_width_only": "\u200b\u200d\ufeff",
    "marks_only": "\u0301\u0302\u0303",
    "leading_trailing": "   Leading and trailing spaces   ",
    "newlines": "first line\nsecond line\r\nthird line\rfourth line\n\n\nlast",
    "tabs": "column\tcolumn\t\tcolumn",
    "upper": "EVERYTHING IS WRITTEN IN CAPITAL LETTERS HERE",
    "mixed_case": "tHiS iS hOw SoMe PeOpLe WrItE",
    "punctuation_all": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "punctuation_run": "wait... what?!?!?! no --- yes!!! (((deep))) [[[x]]]",
    "punctuation_only": ".,;:!?",
    "dots_only": "." * 300,
    "hyphens": "state-of-the-art well-known re-entry x-ray co-op",
    "apostrophes": "rock 'n' roll, o'clock, y'all'd've, 'tis",
    "numbers": "3.14159 1,000,000 -273.15 1e-12 0x1F 0b1010 007 1/2 50%",
    "dates": "2031-02-03T04:05:06.789Z, 3 Feb 2031, 03/02/31",
    "phone": "+49 (0)30 1234-5678 ext. 90",
    "long_number": "1234567890" * 12,
    "money": "$1,234.56 €99,95 £3.50 ¥10000",
    "units": "5kg 10km/h 20°C 3.2GHz 64GiB 12V",
    "email": "Write to First.Last+tag@mail.example.org please",
    "url": "https://example.org/a/b-c_d/e.html?q=one+two&r=%20#part-3",
    "url_image": "https://example.org/pictures/cat.jpg",
    "url_video": "https://example.org/clip.mp4",
    "data_uri_text": "see data:text/plain;base64,SGVsbG8= here",
    "path": "/usr/share/doc/some-package/README.gz C:\\Temp\\new file.txt",
    "markdown": "# Title\n\n* *one*\n* **two**\n\n```sh\nmake check\n```\n",
    "html": "<p class=\"x\">Tom &amp; Anna &lt;3 <br/>&#x1F41F;</p>",
    "json": '{"model": "m", "input": ["a", "b"], "n": 1.5e3, "ok": null}',
    "csv": "id,name,price\n1,\"pen, blue\",1.20\n2,cup,3.00",
    "sql": "SELECT id FROM tickets WHERE score > 0.5 ORDER BY score DESC;",
    "c_code": "static int add(int a, int b)\n{\n    return a + b; /* sum */\n}",
    "python_code": "def area(r):\n    return 3.14159 * r ** 2  # circle\n",
    "shell": "for f in *.txt; do wc -l \"$f\" | awk '{print $1}'; done",
    "regex": r"^(?:\w+\.)*\w+@[\w-]+(\.[\w-]+)+$",
    "latex": r"\frac{a}{b} = \sum_{i=1}^{n} x_i^2 \quad \alpha \le \beta",
    "diff": "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n-int x;\n+long x;\n",
    "hex": "deadbeef CAFEBABE 0xDEADBEEF 53aa51172d142c89d9012cce15ae4d6c",
    "camel": "parseHttpRequestHeaderFieldValue get_some_value SCREAMING_CASE",
    "log": "12:34:56.789 [warn] worker 7: upstream timed out (110)",
    "stack": "File \"app.py\", line 12, in <module>\nValueError: bad value",
    "docstring_read": "Read up to size bytes from the stream and return them.\n"
    "\n    An empty result means that the end was reached. When the stream is\n"
    "    in non-blocking mode and nothing is there, None is returned.\n",
    "docstring_sort": "Return a new list with the items in ascending order.\n\n"
    "    key -- a function of one item whose result is compared instead\n"
    "    reverse -- if true, the order is descending\n\n"
    "    Equal items keep the order they had. Raises TypeError if two items\n"
    "    cannot be compared.\n    ",
    "docstring_open": "Open the archive for reading.\n\n    :param path: where "
    "the archive is\n    :param mode: ``'r'`` or ``'r:gz'``\n    :returns: the "
    "open archive\n    :raises OSError: if there is none\n\n    >>> with "
    "open_archive('a.tar') as a:\n    ...     a.names()\n    ['x', 'y']\n",
    "docstring_math": "Compute the softmax along an axis.\n\n    Args:\n        "
    "x (array): logits of shape (batch, classes).\n        axis (int): the "
    "axis, -1 by default.\n\n    Returns:\n        array: probabilities that "
    "sum to 1.0 along ``axis``.\n",
    "special_tokens": "[CLS] [SEP] [MASK] [UNK] [PAD]",
    "special_glued": "a[MASK]b[SEP][SEP]c[CLS]",
    "special_lower": "[cls] [sep] [mask] [unk] [pad]",
    "special_broken": "[CLS [MASK ]MASK] [ MASK ] [[MASK]] [MASK\u200b]",
    "special_accented": "[MÁSK] ［MASK］ [MASK\u0301]",
    "special_only": "[MASK]",
    "special_unused": "[unused0] [unused99] [UNUSED1]",
    "special_others": "<s> </s> <pad> <|endoftext|> <mask> <unk>",
    "hashes": "##ing ## # ing#ing ##",
    "subword": "unaffable unbelievability tokenization antidisestablishment",
    "repeated_letter": "aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbb noooooooooooo",
    "keyboard": "asdfghjkl qwertyuiop zxcvbnm",
    "one_word_twice": "fish fish",
    "question_words": "who what when where why how",
}

CONTROL = {
    "nul_alone": b"\x00",
    "nul_inside": b"before\x00after",
    "nul_many": b"\x00\x00a\x00\x00b \x00 c\x00",
    "controls_all": bytes(range(1, 32)) + b" middle " + b"\x7f",
    "controls_between": b"".join(b"a" + bytes([c]) for c in range(1, 32)),
    "c1_controls": "".join(f"b{chr(c)}" for c in range(0x80, 0xA0)).encode(),
    "escape": b"\x1b[31mred\x1b[0m plain",
    "backspace": b"ab\x08c\x7fd",
    "bell": b"ding\x07dong",
    "unit_separator": b"a\x1cb\x1dc\x1ed\x1fe",
}

INVALID = {
    "continuation_alone": b"\x80",
    "continuations": b"a\x80\x81\xbfb",
    "cut_two": b"cut \xc3",
    "cut_two_inside": b"cut \xc3 here",
    "cut_three_one": b"cut \xe4",
    "cut_three_two": b"cut \xe4\xb8",
    "cut_three_inside": b"x\xe4\xb8y\xe4z",
    "cut_four_one": b"cut \xf0",
    "cut_four_two": b"cut \xf0\x9f",
    "cut_four_three": b"cut \xf0\x9f\x90",
    "cut_four_inside": b"x\xf0\x9f\x90y\xf0\x9fz\xf0w",
    "overlong_slash": b"a\xc0\xafb",
    "overlong_nul": b"a\xc0\x80b",
    "overlong_three": b"a\xe0\x80\xafb",
    "overlong_three_edge": b"a\xe0\x9f\xbfb\xe0\xa0\x80c",
    "overlong_four": b"a\xf0\x80\x80\xafb",
    "overlong_four_edge": b"a\xf0\x8f\xbf\xbfb\xf0\x90\x80\x80c",
    "surrogate_high": b"a\xed\xa0\x80b",
    "surrogate_low": b"a\xed\xbf\xbfb",
    "surrogate_pair": b"a\xed\xa0\xbd\xed\xb0\x9fb",
    "before_surrogates": b"a\xed\x9f\xbfb",
    "too_high": b"a\xf4\x90\x80\x80b",
    "highest": b"a\xf4\x8f\xbf\xbfb",
    "f5": b"a\xf5\x80\x80\x80b",
    "fe_ff": b"\xfe\xff a \xff\xfe",
    "five_bytes": b"a\xf8\x88\x80\x80\x80b",
    "latin1": "Café déjà vu à l'été".encode("latin-1"),
    "utf16": "wide text".encode("utf-16-le"),
    "gbk": "小鱼骑在大鱼身上".encode("gbk"),
    "shift_jis": "小さな魚".encode("shift_jis"),
    "mixed": "gut é ".encode() + b"\xe9 bad " + "小鱼".encode() + b"\xb0\xb1",
    "invalid_only": b"\xff" * 20,
    "invalid_in_word": b"remo\xffra an\xc3\x28chor",
    "invalid_after_mark": "e\u0301".encode() + b"\xcc x",
    "all_high_bytes": bytes(range(0x80, 0x100)),
}

ADJECTIVES = (
    "quiet narrow ancient careful bright heavy broken early distant modern "
    "expensive patient curious electric frozen golden honest local silver "
    "unusual wooden yellow"
).split()
NOUNS = (
    "river engine kitchen letter server window garden mountain invoice "
    "password journey bottle teacher harbour market forest library "
    "experiment radio bridge storm camera village"
).split()
VERBS = (
    "crosses repairs follows measures forgets paints delivers remembers "
    "explains carries watches replaces describes questions improves"
).split()


def sentence(rng):
    """One English sentence."""
    words = [
        "the", rng.choice(ADJECTIVES), rng.choice(NOUNS), rng.choice(VERBS),
        "a", rng.choice(NOUNS),
    ]
    if rng.random() < 0.5:
        words += ["near", "the", rng.choice(ADJECTIVES), rng.choice(NOUNS)]
    if rng.random() < 0.3:
        words += ["for", str(rng.randrange(2, 2000)), rng.choice(NOUNS) + "s"]
    return " ".join(words).capitalize() + "."


def paragraph(rng, sentences):
    return " ".join(sentence(rng) for _ in range(sentences))


def lengths():
    """Texts around every limit: of tokens, of a word, of everything."""
    rng = random.Random(20)
    texts = {}
    for n in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        texts[f"sentences_{n}"] = paragraph(rng, n)
    for n in (252, 253, 254, 255, 256, 257, 300, 510, 512, 513):
        texts[f"words_{n}"] = " ".join(["fish"] * n)
    words = paragraph(rng, 1500).split()[:10000]
    assert len(words) == 10000
    texts["words_10000"] = " ".join(words)
    for n in (99, 100, 101, 150, 1000, 20000):
        texts[f"letters_{n}"] = "ab " + "x" * n + " cd"
    for n in (49, 50, 51, 99, 100, 101):
        texts[f"umlauts_{n}"] = "ü" * n
        texts[f"emoji_word_{n}"] = "\U0001f41f" * n
    texts["han_300"] = "鱼水火山" * 75
    texts["cut_in_word"] = "fish " * 252 + "unbelievability"
    texts["cut_at_mask"] = "fish " * 253 + "[MASK] end"
    texts["cut_after_special"] = "[SEP]" * 300
    texts["spaces_20000"] = "a" + " " * 20000 + "b"
    texts["marks_20000"] = "e" + "\u0301" * 20000 + " end"
    return texts


def singles():
    """Texts of one character."""
    characters = "aZ0.#é€ßİΣ鱼あ가א☃🐟\u0301\u200b\ufffd\u00a0\U00020000"
    return {f"char_{ord(c):04x}": c for c in characters}


def generated():
    """Paragraphs, and characters drawn from one script at a time."""
    rng = random.Random(21)
    texts = {f"paragraph_{i}": paragraph(rng, 1 + i % 7) for i in range(24)}
    ranges = {
        "latin": (0x20, 0x24F), "greek": (0x370, 0x3FF),
        "cyrillic": (0x400, 0x52F), "semitic": (0x590, 0x6FF),
        "indic": (0x900, 0xDFF), "southeast": (0xE00, 0x109F),
        "extended": (0x1E00, 0x1FFF), "symbols": (0x2000, 0x2BFF),
        "cjk_marks": (0x3000, 0x33FF), "han": (0x4E00, 0x9FFF),
        "hangul": (0xAC00, 0xD7A3), "forms": (0xF900, 0xFFFF),
        "plane_1": (0x10000, 0x1FFFF), "plane_2": (0x20000, 0x2FFFF),
    }
    for name, (low, high) in ranges.items():
        for i in range(2):
            text = "".join(
                chr(rng.randint(low, high)) if rng.random() < 0.8 else " "
                for _ in range(60)
            )
            texts[f"random_{name}_{i}"] = text
    for i in range(6):
        texts[f"random_bytes_{i}"] = rng.randbytes(80)
    return texts


def all_texts():
    """Every text as (name, bytes), names unique."""
    named = []
    for language, sentences in LANGUAGES.items():
        named += [(f"{language}_{i}", s) for i, s in enumerate(sentences)]
    named += [(f"emoji_{i}", s) for i, s in enumerate(EMOJI)]
    named += [(f"unicode_{k}", s) for k, s in UNICODE.items()]
    named += [(f"plain_{k}", s) for k, s in PLAIN.items()]
    named += [(f"control_{k}", s) for k, s in CONTROL.items()]
    named += [(f"invalid_{k}", s) for k, s in INVALID.items()]
    for part in (lengths(), singles(), generated()):
        named += list(part.items())
    assert len(named) == len({name for name, _ in named})
    return [
        (name, text if isinstance(text, bytes) else text.encode())
        for name, text in named
    ]
