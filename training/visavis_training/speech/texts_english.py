"""English sentence patterns and words to fill them: everyday talk, telephone prompts, numbers, names, short replies.

A word in braces is a slot; a slot's words may hold slots themselves. Knows nothing of phones, voices or Mandarin.
"""

from __future__ import annotations

WORDS: dict[str, str] = {
    "name": "Bob|Maria|Peter|Thelma|Yusuf|Victoria|Charles|Joy|Philip|Zoe|Hugh|Ruth|Fatima|George|Wendy|Oscar|Beth|"
    "Mohammed|Priya|Vivian|Ming|Abigail|Theo|Pamela|Guillermo|Shirley|Wolfgang|Leo|Naomi|Kwame|Aoife|Björn|Chiamaka|"
    "Dmitri|Esperanza|Farouk|Giovanni|Hiroshi|Ingrid|Jamal|Keiko|Lakshmi|Mbali|Niamh|Olufemi|Pavel|Quentin|Rahul|"
    "Siobhan|Tomasz|Uma|Valentina|Wambui|Xavier|Yolanda|Zainab|Arjun|Beatrix|Emeka|Bartholomew|Faith|Humphrey|Judith",
    "surname": "Smith|Nguyen|Patel|Kowalski|Fernandez|O'Brien|Kim|Okafor|Yamamoto|Schmidt|Rossi|Dubois|Ivanova|Silva|"
    "Haddad|Johansson|Papadopoulos|Murphy|Van der Berg|Chowdhury|Abubakar|Whitfield|Popov|Mbeki|Weaver|Fairbanks",
    "place": "Boston|the museum|Vancouver|the back of the shop|Beijing|the third floor|Mumbai|the old bridge|Paris|"
    "the new airport|Buffalo|the farmhouse|Zurich|the swimming pool|Memphis|the beach|our village|the lobby|Lagos|"
    "Buenos Aires|Edinburgh|Kuala Lumpur|Marrakesh|Oslo|Warsaw|Tokyo|Bogota|Addis Ababa|Wellington|Philadelphia|"
    "Bath|the north coast|the harbor|platform five|the waiting room|Cape Town|the emergency room|Vilnius|Havana",
    "thing": "apple pie|blue umbrella|broken lamp|pair of shoes|wooden bowl|piano|thick blanket|bicycle pump|"
    "yellow map|silver ring|computer|coffee pot|chocolate|oatmeal|measuring tape|boat|leather jacket|jewel box|"
    "pamphlet|bubble bath|bathtub|camera|guitar|toothbrush|paper cup|feather|watch|television|vegetable soup|"
    "office chair|power bank|mushroom omelette|toy giraffe|wheelbarrow|beehive|voucher|sweater|hammer|mailbox|"
    "microwave|fountain pen|vase|mop|cough syrup|puppy|film|bouquet|beach ball|oven glove|wallet|rug|pillow",
    "things": "apples|puppies|maps|boxes|oranges|photographs|mushrooms|bottles|feathers|pumps|shoes|towels|chairs|"
    "violins|beavers|bubbles|envelopes|families|phone calls|months|videos|books|ships|teeth|judges|weapons|wishes",
    "adjective": "beautiful|rough|tiny|purple|smooth|heavy|impossible|cheap|famous|boring|delicious|warm|empty|noisy|"
    "awful|gorgeous|simple|huge|clever|unusual|broad|shy|polite|weird|fresh|obvious|thoughtful|royal|wobbly|plump|"
    "brave|fuzzy|mild|numb|foamy|vivid|bumpy|moody|mighty|lazy|golden|cozy|genuine|vague|enormous|foolish|poor",
    "verb": "borrow|push|keep|measure|show|bring|move|find|wash|build|choose|breathe life into|paint|throw away|pack|"
    "improve|admire|replace|pick up|film|observe|tow|carve|wrap|blow up|fix|prove|explore|play with|mop up|vacuum|"
    "chew|shave|bathe|whip|bump into|give away|weigh|hem|sweep up|save|bribe|whistle at|look after|put down",
    "past": "bought|forgot|dropped|found|chose|brought|moved|loved|remembered|judged|pushed|noticed|photographed|"
    "swapped|believed in|laughed at|showed me|borrowed|threw|wanted|mopped around|grabbed|enjoyed|voted for|"
    "wrapped|bumped into|gave away|swept up|saved|made|built|pulled apart|vanished with|waved at|wove|hummed about",
    "time": "on Monday|before breakfast|at half past five|in the evening|this afternoon|every other Thursday|"
    "by the end of November|at twelve o'clock|in about an hour|next February|right now|a month ago|on {weekday}|"
    "at {clock}|on {date}|since {month}|the day before yesterday|in the middle of the night|once in a while",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "ordinal": "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|twelfth|fifteenth|twentieth|"
    "twenty-first|twenty-fifth|thirtieth|thirty-first",
    "date": "{month} {ordinal}|the {ordinal} of {month}|{weekday} the {ordinal}|{month} {ordinal}, {year}",
    "year": "1066|1492|1789|1848|1914|1955|1969|1984|1999|2003|2011|2020|2024|2031",
    "clock": "one fifteen|two thirty|three forty-five|a quarter past four|half past six|five to seven|eight a m|"
    "nine p m|ten twenty|eleven fifty-nine|noon|midnight|twelve oh five",
    "number": "1|2|3|4|5|6|7|8|9|10|11|12|13|15|17|20|25|34|48|56|67|79|83|96|105|212|365|480|777|1,024|2,500|40,000|"
    "16|18|19|40|50|60|70|90|500|999|5,555|78,912|1,000,000|3.5|7.25|0.4|22.9",
    "few": "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|forty-five|ninety-nine",
    "digit": "zero|one|two|three|four|five|six|seven|eight|nine|oh|double five|double seven|triple four",
    "phone": "{digit} {digit} {digit}, {digit} {digit} {digit}, {digit} {digit} {digit} {digit}|"
    "{digit} {digit} {digit}, {digit} {digit} {digit} {digit}|{digit} {digit}, {digit} {digit}, {digit} {digit}",
    "price": "{few} dollars|{few} dollars and {few} cents|{few} pounds fifty|{few} hundred euros|"
    "{few} thousand rupees|{number} percent off|a quarter of a million|ninety-five cents",
    "letter": "A|B|C|D|E|F|G|H|I|J|K|L|M|N|O|P|Q|R|S|T|U|V|W|X|Y|Z|B|F|M|P|V|W",
    "spelled": "{letter}, {letter}, {letter}|{letter}, {letter}, {letter}, {letter}|"
    "{letter}, {digit}, {letter}, {digit}|"
    "{letter} as in {nato}, {letter} as in {nato}|{nato}, {nato}, {nato}, {digit}, {digit}",
    "nato": "Alpha|Bravo|Charlie|Delta|Echo|Foxtrot|Golf|Hotel|India|Juliet|Kilo|Lima|Mike|November|Oscar|Papa|Quebec|"
    "Romeo|Sierra|Tango|Uniform|Victor|Whiskey|X-ray|Yankee|Zulu",
    "person": "my mother|the painter|her boss|our neighbor|a young farmer|the bus driver|his wife|the chef|"
    "a famous bishop|the whole family|the professor|somebody|nobody|the baby|the web developer|an old judge|"
    "my grandmother|the plumber|{name} {surname}|Mrs {surname}|Mister {surname}|the new manager|Uncle {name}|"
    "the woman from {place}|a polite young man|the vet|everybody|the beekeeper|a former mayor|the goalkeeper",
    "feel": "happy|upset|proud|impatient|embarrassed|calm|thrilled|bored|very pleased|absolutely sure|amazed|jealous|"
    "furious|a bit worried|mad|puzzled|overjoyed|awfully tired|fairly confident|homesick|numb|grateful",
    "reason": "because the weather improved|since nobody was paying attention|although it rained all week|"
    "if you promise to be brief|before the shop opens|while we wait for the boat|unless something goes wrong|"
    "so that everyone can see it|even though it costs a bit more|when the music stops|as if nothing had happened|"
    "until the fever goes down|because my phone is broken|in case of an emergency|after the baby fell asleep|"
    "whether you believe it or not|since we moved to {place}|before it gets too warm|provided that you ask {name}",
    "opener": "Well|Oh|Maybe|Actually|Of course|Hmm, no|Believe me|By the way|Honestly|Yes|To be fair|Above all|"
    "Wow|So|Okay|Um|Right|For example|First of all|In my opinion|As far as I know|Frankly|Good heavens|Mmm|Uh-huh",
    "food": "pepperoni pizza|mashed potatoes|beef stew|mango smoothie|peanut butter|vanilla pudding|fish and chips|"
    "spaghetti|mushroom soup|plum jam|apple juice|sweet potatoes|roast lamb|dumplings|waffles|veggie burger|hummus",
    "animal": "beaver|moose|puma|elephant|fox|wolf|giraffe|bee|monkey|penguin|buffalo|dove|zebra|sheep|frog|mouse",
    "job": "plumber|photographer|nurse|farmer|web developer|bishop|judge|mayor|pilot|beekeeper|vet|film director|"
    "pharmacist|lawyer|software engineer|violinist|professor|goalkeeper|florist|mechanic",
    "sport": "football|volleyball|basketball|ping-pong|swimming|rugby|badminton|golf|judo|beach soccer|weightlifting",
    "tech": "server|web browser|database|firewall|bandwidth|API key|GPU|USB cable|password|microphone|software update|"
    "browser tab|machine learning model|pull request|JSON file|command line|video stream|backup|Wi-Fi network|"
    "memory buffer|error message|keyboard|webhook|login page|Python module|motherboard|Bluetooth speaker|app",
    "code": "null pointer|for loop|boolean value|async function|main branch|HTTP request|byte array|unit test|"
    "import statement|float thirty-two|config file|merge conflict|regex|public method|thread pool|hash map|lambda",
    "department": "billing|sales|customer support|the front desk|shipping|technical support|human resources|"
    "the pharmacy|the complaints department|reservations|the payments team|our main office|a supervisor",
    "hello": "Hello|Hi|Good morning|Good afternoon|Good evening|Hey|Welcome|Hi there|Greetings|Hello again",
    "bye": "Goodbye|Bye|Bye bye|See you soon|Take care|Have a wonderful weekend|Until next time|Farewell|Good night",
    "short": "Yes|No|Yeah|Nope|Maybe|Sure|Okay|Mhm|Uh-huh|Hmm|Wow|Oops|Please|Thanks|Sorry|Right|Fine|Perfect|Well|"
    "Absolutely|Exactly|Never|Bravo|Hooray|Ouch|Phew|Stop|Help|Wait|Really|Why|What|Where|How|Me|You|Both|Above|"
    "Mom|Pop|Bob|Puff|Wave|Five|Move|Map|Baby|Beef|Bomb|Fame|Mauve|Papa|Whip|Web|Vamp|Bump|Ma'am|Pump|Mop|Boom",
}

TEMPLATES: tuple[str, ...] = tuple(
    """{name} {past} the {adjective} {thing} {time}.
Could you {verb} the {thing} for {person}?
{opener}, {person} was {feel} {reason}.
{person} and {name} went to {place} {time}.
How many people from {place} would {verb} a {adjective} {thing}?
The {thing} costs {price}, not {price}.
{opener}, I think we should {verb} it {time}.
Please help {person} {verb} the {adjective} {thing}.
My phone number is {phone}.
Why did {name} leave {place} {reason}?
I have never been so {feel} in my life!
Both {name} and {name} hope to {verb} the {thing} {reason}.
What a {adjective} {thing}!
Put the {thing} above the {thing}, please.
{opener}, what about {place}?
There were {number} {adjective} boxes and {number} empty bottles.
{person} whispered something about the {thing} {time}.
You may {verb} it, but do not {verb} the {thing}.
Is this {person}'s {thing}, or is it yours?
{name} lives at {number} Bishop Avenue, near {place}.
We {past} it, we {past} it again, and then {name} {past} everything.
Thank you very much, {name}; that was {adjective} and {adjective}.
{opener}, the meeting in {place} moves to {clock}.
Would you rather {verb} a {thing} or {verb} a {thing}?
Mom made {food} for {person}.
He voted for {name}, she voted for {name}, they both felt {feel}.
{number} percent of the {things} came from {place}.
The voice of {person} is {adjective}, smooth and warm.
Good morning {name}, welcome back to {place}.
Bye bye, {name}! See you {time}.
Open your mouth, breathe out, and say the word {adjective}.
Few chefs from {place} prefer {food} to rough bread.
Sushi, cheese, ships and sugar: {name} should measure each of them.
The moose, the goose and the blue balloon flew over {place}.
They threw their thick leather gloves through the {adjective} window.
{name}, wait! Who took {person} to {place}?
I see three green trees, and {number} sleeping sheep.
Oh no, the whole boat is going to {place} without {person}.
Pop up, bob down, map it out, and maybe {verb} it {time}.
Father far away in {place} parks the car and starts to laugh.
Joy, boys and noisy toys annoy {person}.
Now the brown cow wanders around {place}, loud and proud.
It is {adjective}. It is {feel} work. It is enough {reason}.
{short}.
{short}!
{short}?
{short}. {short}.
{short}, {name}.
Oh {short}!
No, no, no, {name}!
Please hold while I transfer your call to {department}.
{hello}, and thank you for calling {department}.
{hello}, this is {name} from {department}; how may I help you?
For {department}, press {few}; for {department}, press {few}.
All of our agents are busy; you are number {few} in the queue.
Your call may be recorded for training and quality purposes.
I'm sorry, I didn't get that; could you repeat your account number?
Please enter your {few}-digit code, followed by the pound key.
Your appointment with {person} is on {date} at {clock}.
Your order of {few} {things} will arrive {time}.
Let me pull up your account; one moment please.
Can I have your last name, please? It's {surname}, {spelled}.
That's {spelled}, is that correct?
The confirmation code is {spelled}.
Your balance is {price}, and it is due on {date}.
I've sent a verification message to {phone}.
Is there anything else I can do for you {time}?
Thank you for your patience, {name}.
We apologize for the trouble with your {thing}.
Would you like me to book a table for {few} at {clock}?
I can certainly help you {verb} the {thing}.
Unfortunately, {department} is closed until {weekday}.
To hear this menu again, press the star key.
Please leave a message after the beep.
If this is an emergency, hang up and dial {digit}, {digit}, {digit}.
{hello}!
{hello}, {name}!
{hello}, {name} {surname}, how have you been?
{bye}!
{bye}, {name}, and thanks for the {thing}.
Nice to meet you, {person} told me so much about you.
How do you do? My name is {name} {surname}.
What's up, {name}? Anything new in {place}?
Happy birthday, {name}, and many happy returns!
Congratulations on becoming a {job}!
It's {clock}, {name}; time to go home.
On {date}, {name} {surname} became a {job} in {place}.
The {job} was born in {year} and died in {year}.
From {clock} to {clock} the bus to {place} does not run.
{few} plus {few} makes {few}, or maybe {few}.
It weighs {number} pounds and measures {number} feet.
Take exit {number}, then turn left before {place}.
The temperature in {place} will be minus {few} degrees {time}.
Room {number}, {ordinal} floor, ask for {name}.
Flight {letter} {letter} {number} to {place} is now boarding at gate {letter} {few}.
The score was {few} to {few} when the {sport} match stopped.
Chapter {few}, page {number}, the {ordinal} line from above.
The total comes to {price}, including tax.
Do you accept coins, or only {price} bills?
I bought {things}, {things}, {things} and a {thing}.
We need {food}, {food}, a {thing}, and something warm to drink.
{name}, {name}, {name} and {name} all play {sport}.
Red, blue, mauve, beige, purple, ivory, and brown: which one does {name} prefer?
The {animal}, the {animal} and the {animal} live in {place}.
Apples, pears, plums, grapes, mangoes and peaches are in the {thing}.
Have you ever seen a {animal} {verb} a {thing}?
My {animal} {past} the {food} {time}.
A {adjective} {animal} jumped over the {adjective} {animal}.
The {tech} is down, so please restart the {tech}.
Did you push the {code} before you reviewed the {code}?
The {tech} returned an {adjective} {code}.
We moved the {code} into a {adjective} {tech}.
Save the file, build the package, and remove the {code}.
Type w w w dot {thing} dot com, slash {animal}.
My email is {name} dot {surname} at mailbox dot com.
Every {tech} needs a {tech}, says the {job}.
Turn the {tech} off and on again.
The {tech} uses {number} megabytes of memory.
{opener}, my {tech} won't work {reason}.
Can the {job} explain what a {code} is?
I like {sport}, but {person} likes {sport} much more.
When I was {few}, I wanted to be a {job}.
Who is going to {verb} all of this {food}?
Whose {thing} is that, and why is it so {adjective}?
Which {animal} would you {verb}, the {adjective} one or the {adjective} one?
Where on earth did {person} put my {thing}?
When will {person} finally {verb} the {thing}?
Isn't {place} {adjective} {time}?
Aren't you {feel}?
Do you mind if I {verb} your {thing}?
Shall we go to {place}, or would you prefer {sport}?
You didn't {verb} it, did you?
That's {adjective}, isn't it, {name}?
Look out! The {thing} is falling!
How {adjective} of you!
I can't believe {person} {past} it!
Hurry up, {name}, we're late for {sport}!
Stop it! You'll wake {person}!
Bravo, {name}, that was the best {food} in {place}!
Ha ha ha, very funny, {name}.
Mhm, I see what you mean.
Hmm, let me think about the {thing}.
Um, well, I would say {few}, maybe {few}.
Wait, wait, wait. Did you say {few} or {few}?
Never mind.
I don't know.
Who's there?
Me too.
Give me five.
What time is it?
Move over, {name}.
Maybe {few}, maybe more.
Not bad at all.
You're welcome.
Excuse me, is this seat free?
I'm {feel}.
She's a {job}.
It's {price}.
{food}, please.
{name} smiled.
If I were {person}, I would {verb} the {thing}, {verb} the {thing}, and never go back to {place}.
{person}, who {past} a {adjective} {thing} in {place}, says that {person} will {verb} another one {time}.
Not only did {name} {past} the {thing}; {person} also {past} the {things}, {reason}.
The {adjective} {job} from {place} and the {adjective} {job} from {place} often meet {time} to talk about {sport}.
{reason}, {person} and {person} will probably {verb} the {things}, but I would not bet {price} on it.
Peter Piper picked a peck of pickled peppers for {person}.
Betty Botter bought some bitter butter in {place}.
Five frantic frogs fled from fifty fierce fishes {time}.
Very vivid velvet vests are above average in {place}.
Which wristwatches are Swiss wristwatches, {name}?
My mummy makes me muffins on {weekday} mornings.
Whenever we wave, {person} waves back with a {adjective} {thing}.
Bring both big brown bags from {place} to {place}.
We saw a movie about {animal} families, and {person} wept.
The pipe, the tube, the bib and the mob bump up and down.
Some summer mornings seem almost impossible, {name}.
Leave above five of the {things}, please.
The map of {place} shows {few} bridges and a {thing}.
Upbeat club members hope for a cheap pub.
Jim came home with the same lamp, the same comb, and the same {thing}.
Zip up your jacket, tap the {thing}, and hop along.
I'd say that {food} smells like {food}.
{name} said, “{opener}, let's {verb} the {thing}.”
“{short}!” said {person}. “{short}?” asked {name}.
The news {time}: {person} wins the {sport} final in {place}.
Remember to {verb} your {thing} and {verb} your {things} {time}.
I used to live in {place}; now I live near {place}.
{person} has been a {job} for {few} years and {few} months.
The {ordinal} of {month} is {person}'s birthday.""".split("\n")
)
