// Numbers in English and German words, cut into pieces as the book's translators read and
// write them: attention_book.data.translation.numerals.
(() => {
  "use strict";
  const book = window.attentionBook ??= {};
  if (book.numerals) return;

  const EN = ("zero one two three four five six seven eight nine ten eleven twelve " +
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen").split(" ");
  const EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
  const EN_SCALES = ["", "thousand", "million", "billion"];
  const DE = ("null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf " +
    "dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn").split(" ");
  const DE_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
    .split(" ");
  const DE_SCALES = ["", ["tausend", "tausend"], ["Million", "Millionen"],
    ["Milliarde", "Milliarden"]];
  const LARGEST = 1e12; // from here on there are no words

  // Groups of three digits, the most significant first, each with its power of 1,000.
  const groups = (number) => {
    const found = [];
    for (let power = 0; number > 0; power++) {
      if (number % 1000) found.unshift([number % 1000, power]);
      number = Math.floor(number / 1000);
    }
    return found;
  };

  const englishBelow100 = (n) => n < 20 ? [EN[n]]
    : [EN_TENS[Math.floor(n / 10) - 2], ...(n % 10 ? [EN[n % 10]] : [])];
  const englishGroup = (n) => {
    const rest = n % 100, words = n < 100 ? [] : [EN[Math.floor(n / 100)], "hundred"];
    if (rest) words.push(...(words.length ? ["and"] : []), ...englishBelow100(rest));
    return words;
  };
  const english = (number) => {
    if (number === 0) return ["zero"];
    return groups(number).flatMap(([group, power], at) => [
      ...(at && !power && group < 100 ? ["and"] : []),
      ...englishGroup(group), ...(power ? [EN_SCALES[power]] : [])]);
  };

  const germanBelow100 = (n) => n < 20 ? [DE[n]]
    : [...(n % 10 ? [n % 10 === 1 ? "ein" : DE[n % 10], "und"] : []),
      DE_TENS[Math.floor(n / 10) - 2]];
  const germanGroup = (n) => {
    const hundreds = Math.floor(n / 100), rest = n % 100;
    return [...(hundreds ? [hundreds === 1 ? "ein" : DE[hundreds], "hundert"] : []),
      ...(rest ? germanBelow100(rest) : [])];
  };
  const german = (number) => {
    if (number === 0) return ["null"];
    return groups(number).flatMap(([group, power]) => {
      const words = germanGroup(group);
      if (!power) return words;
      const [one, many] = DE_SCALES[power];
      if (group === 1) return [power === 1 ? "ein" : "eine", one];
      return [...words, many];
    });
  };

  // The number of English words; null if they are not what `english` writes. All “and”
  // may be left out, as Americans do.
  const valueOf = (words) => {
    let total = 0, group = 0;
    for (const word of words) {
      const ten = EN_TENS.indexOf(word), scale = EN_SCALES.indexOf(word);
      if (EN.includes(word)) group += EN.indexOf(word);
      else if (ten >= 0) group += 10 * (ten + 2);
      else if (word === "hundred") group *= 100;
      else if (scale > 0) {
        total += group * 1000 ** scale;
        group = 0;
      } else if (word !== "and") return null;
    }
    const number = total + group;
    if (number >= LARGEST) return null;
    const usual = english(number), american = usual.filter((word) => word !== "and");
    return [usual, american].some((one) => one.join(" ") === words.join(" "))
      ? number : null;
  };

  // The German of English words; null if they are no number.
  const translate = (words) => {
    const number = valueOf(words);
    return number === null ? null : german(number);
  };

  // The English words of a random number above 0: up to `longest` of them, or more.
  const draw = (longest, longer) => {
    for (;;) {
      const size = longer ? 12 : 1 + Math.floor(12 * Math.random());
      let number = 0;
      for (let digit = 0; digit < size; digit++) {
        const empty = !longer && Math.random() < 0.4;
        number = 10 * number + (empty ? 0 : 1 + Math.floor(9 * Math.random()));
      }
      const words = english(number);
      if (number && words.length > longest === longer) return words;
    }
  };

  book.numerals = { english, german, valueOf, translate, draw };
})();
