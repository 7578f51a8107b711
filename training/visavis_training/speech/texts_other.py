"""Sentences in Spanish, French, Italian, Portuguese and Hindi for the voices that are at home there.

They are few: the corpus is English and Mandarin, and these teach the sounds that those two lack.
"""

from __future__ import annotations

WORDS: dict[str, dict[str, str]] = {
    "es": {
        "name": "Pablo|Beatriz|Guillermo|Ximena|Joaquín|María|Felipe|Violeta|Ñico|Amparo",
        "thing": "el pan|una bufanda|la bombilla|un mapa|el paraguas|mi jarra|"
        "las flores|un vaso de vino|la guitarra|diez peras",
        "place": "Bogotá|el mercado|la playa|Valparaíso|la plaza mayor|Guadalajara|el aeropuerto|mi pueblo|Bilbao",
        "time": "mañana|el jueves|por la noche|a las ocho y media|en febrero|ahora mismo|después de comer",
        "number": "uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|doce|quince|veintidós|cien|mil quinientos",
    },
    "fr": {
        "name": "Bruno|Émilie|Philippe|Geneviève|François|Manon|Benoît|Aurélie|Hugo|Véronique",
        "thing": "le pain|une écharpe|la lampe|un parapluie|du beurre|les fleurs|"
        "un verre de vin|ma montre|huit œufs|un plan",
        "place": "Bruxelles|le marché|la plage|Montréal|la grande place|l'aéroport|mon village|Perpignan|le vieux pont",
        "time": "demain|jeudi matin|ce soir|à huit heures et demie|en février|tout de suite|après le déjeuner",
        "number": "un|deux|trois|quatre|cinq|six|sept|huit|neuf|onze|vingt et un|quatre-vingts|cent|mille",
    },
    "it": {
        "name": "Beppe|Federica|Giovanni|Mafalda|Vincenzo|Ilaria|Umberto|Chiara|Paolo|Guglielmo",
        "thing": "il pane|una sciarpa|la lampada|un ombrello|gli spaghetti|i fiori|"
        "un bicchiere di vino|la bambola|nove mappe",
        "place": "Palermo|il mercato|la spiaggia|Bologna|la piazza|l'aeroporto|il mio paese|Venezia|il ponte vecchio",
        "time": "domani|giovedì|stasera|alle otto e mezza|a febbraio|subito|dopo pranzo|ogni mattina",
        "number": "uno|due|tre|quattro|cinque|sei|sette|otto|nove|undici|venti|cento|mille",
    },
    "pt": {
        "name": "Paulo|Bianca|João|Fernanda|Vicente|Márcia|Humberto|Conceição|Felipe|Guilherme",
        "thing": "o pão|uma blusa|a lâmpada|um mapa|o guarda-chuva|as flores|"
        "um copo de vinho|a bola|nove maçãs|meu violão",
        "place": "São Paulo|o mercado|a praia|Belém|a praça|o aeroporto|minha cidade|Florianópolis|a ponte velha",
        "time": "amanhã|na quinta-feira|à noite|às oito e meia|em fevereiro|agora mesmo|depois do almoço",
        "number": "um|dois|três|quatro|cinco|seis|sete|oito|nove|onze|vinte|cem|mil",
    },
    "hi": {
        "name": "मोहन|प्रिया|बबीता|फ़ातिमा|विक्रम|पूजा|भावना|रमेश|ममता|उमा",
        "thing": "रोटी|किताब|छाता|नक्शा|फूल|पानी की बोतल|घड़ी|बर्तन|आम|पंखा",
        "place": "मुंबई|बाज़ार|स्टेशन|भोपाल|मेरे गाँव|अस्पताल|पुस्तकालय|पटना|बगीचे",
        "time": "कल|आज शाम|गुरुवार को|सुबह आठ बजे|फ़रवरी में|अभी|खाने के बाद",
        "number": "एक|दो|तीन|चार|पाँच|छह|सात|आठ|नौ|दस|बीस|सौ|हज़ार",
    },
}

TEMPLATES: dict[str, tuple[str, ...]] = {
    "es": tuple(
        """{name} compró {thing} en {place} {time}.
¿Dónde está {thing}, {name}?
¡Qué bueno verte {time}!
Por favor, espere un momento mientras transfiero su llamada.
Sí, claro. No, gracias.
El número es {number}, {number}, {number}, {number}.
Mi abuela vive en {place} y baila muy bien.
Me gustaría pedir {thing} y {thing}.
{name} y {name} fueron juntos a {place}.
Buenos días, {name}. ¿Cómo amaneciste?
La lluvia cae, el perro ladra, y yo busco {thing}.
Faltan {number} minutos para las {number}.
¿Puede hablar más despacio, por favor?
Un buen amigo vale más que {number} monedas.""".split("\n")
    ),
    "fr": tuple(
        """{name} a acheté {thing} à côté de chez {name} {time}.
Où est {thing}, {name} ?
Quelle belle surprise de te voir {time} !
Veuillez patienter, je transfère votre appel.
Oui, bien sûr. Non, merci beaucoup.
Le numéro est {number}, {number}, {number}, {number}.
Ma grand-mère habite près de {place} et peint des bateaux bleus.
Je voudrais {thing} et {thing}, s'il vous plaît.
{name} et {name} se sont promenés vers {place}.
Bonjour {name}, vous allez bien ?
Un bon vin blanc, un peu de jambon, et voilà !
Il reste {number} places pour {number} personnes.
Pouvez-vous parler plus lentement ?
Puis la pluie tombe, puis le vent souffle.""".split("\n")
    ),
    "it": tuple(
        """{name} ha comprato {thing} vicino a {place} {time}.
Dov'è {thing}, {name}?
Che bello vederti {time}!
Attenda in linea, le passo subito il mio collega.
Sì, certo. No, grazie mille.
Il numero è {number}, {number}, {number}, {number}.
Mia nonna abita a Bergamo e prepara gli gnocchi.
Vorrei {thing} e {thing}, per favore.
{name} e {name} sono andati insieme verso {place}.
Buongiorno {name}, come va?
La pioggia cade, il gatto dorme, io bevo un caffè.
Mancano {number} minuti alle {number}.
Può parlare un po' più piano?
Ogni famiglia ha bisogno di {thing}.""".split("\n")
    ),
    "pt": tuple(
        """{name} comprou {thing} perto de {place} {time}.
Onde está {thing}, {name}?
Que bom te ver {time}!
Por favor, aguarde enquanto eu transfiro a sua ligação.
Sim, claro. Não, muito obrigada.
O número é {number}, {number}, {number}, {number}.
Minha avó mora em Belém e faz um bolo maravilhoso.
Eu queria {thing} e {thing}, por favor.
{name} e {name} foram juntos ver {place}.
Bom dia, {name}, tudo bem?
A chuva cai, o cachorro late, e eu tomo um café.
Faltam {number} minutos para as {number}.
Pode falar mais devagar?
Uma boa amiga vale mais que {number} moedas.""".split("\n")
    ),
    "hi": tuple(
        """{name} ने {time} {place} में {thing} खरीदी।
{thing} कहाँ है, {name}?
वाह, {time} मिलकर बहुत अच्छा लगा!
कृपया प्रतीक्षा करें, हम आपका फ़ोन आगे भेज रहे हैं।
हाँ, ज़रूर। नहीं, धन्यवाद।
मेरा नंबर है {number}, {number}, {number}, {number}।
मेरी दादी {place} में रहती हैं और भजन गाती हैं।
मुझे {thing} और {thing} चाहिए।
{name} और {name} साथ में {place} गए।
नमस्ते {name}, आप कैसे हैं?
बारिश हो रही है, और मैं चाय पी रहा हूँ।
क्या आप धीरे बोल सकते हैं?
मम्मी, पापा और भाई बाहर बैठे हैं।""".split("\n")
    ),
}
