"""Makes sentences to speak: English and Mandarin templates filled with words chosen to meet every sound in many places.

Everything is drawn from one seed, so the same call gives the same sentences. Knows nothing of phones or voices.
"""

# ruff: noqa: E501 -- a Chinese character counts as two columns
from __future__ import annotations

import random
import re

_EN_WORDS: dict[str, str] = {
    "name": "Bob|Maria|Peter|Thelma|Yusuf|Victoria|Charles|Joy|Philip|Zoe|Hugh|Ruth|Fatima|George|Wendy|Oscar|Beth|"
    "Mohammed|Priya|Vivian|Ming|Abigail|Theo|Pamela|Guillermo|Shirley|Wolfgang|Leo|Naomi|Kwame",
    "place": "Boston|the museum|Vancouver|the back of the shop|Beijing|the third floor|Mumbai|the old bridge|Paris|"
    "the new airport|Buffalo|the farmhouse|Zurich|the swimming pool|Memphis|the beach|our village|the lobby",
    "thing": "apple pie|blue umbrella|broken lamp|five photographs|wooden bowl|piano|thick blanket|bicycle pump|"
    "yellow map|silver ring|computer|coffee pot|chocolate|oatmeal|measuring tape|boat|leather shoes|jewel box|"
    "pamphlet|bubble bath|bathtub|camera|guitar|toothbrush|paper cup|feather|watch|television|vegetable soup",
    "adjective": "beautiful|rough|tiny|purple|smooth|heavy|impossible|cheap|famous|boring|delicious|warm|empty|noisy|"
    "awful|gorgeous|simple|huge|clever|unusual|broad|shy|polite|weird|fresh|obvious|thoughtful|royal|wobbly",
    "verb": "borrow|push|keep|measure|show|bring|move|find|wash|build|choose|breathe life into|paint|throw away|pack|"
    "improve|admire|replace|pick up|film|observe|tow|carve|wrap|blow up|fix|prove|explore|play with",
    "past": "bought|forgot|dropped|found|chose|brought|moved|loved|remembered|judged|pushed|noticed|photographed|"
    "swapped|believed in|laughed at|showed me|borrowed|threw|wanted|mopped around|grabbed|enjoyed|voted for",
    "time": "on Monday|before breakfast|at half past five|in the evening|this afternoon|every other Thursday|"
    "by the end of November|at twelve o'clock|in about an hour|next February|right now|a month ago",
    "number": "1|2|3|4|5|6|7|8|9|10|11|12|13|15|17|20|25|34|48|56|67|79|83|96|105|212|365|480|777|1,024|2,500|40,000",
    "person": "my mother|the painter|her boss|our neighbor|a young farmer|the bus driver|his wife|the chef|"
    "a famous bishop|the whole family|the professor|somebody|nobody|the baby|the web developer|an old judge",
    "feel": "happy|upset|proud|impatient|embarrassed|calm|thrilled|bored|very pleased|absolutely sure|amazed|jealous",
    "reason": "because the weather improved|since nobody was paying attention|although it rained all week|"
    "if you promise to be brief|before the shop opens|while we wait for the boat|unless something goes wrong|"
    "so that everyone can see it|even though it costs a bit more|when the music stops",
    "opener": "Well|Oh|Maybe|Actually|Of course|Hmm, no|Believe me|By the way|Honestly|Yes|To be fair|Above all",
}

_EN_TEMPLATES = """{name} {past} the {adjective} {thing} {time}.
Could you {verb} the {thing} for {person}?
{opener}, {person} was {feel} {reason}.
{person} and {name} went to {place} {time}.
How many people from {place} would {verb} a {adjective} {thing}?
The {thing} costs {number} dollars, not {number}.
{opener}, I think we should {verb} it {time}.
Please help {person} {verb} the {adjective} {thing}.
My phone number begins with {number}, {number}, {number}.
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
{opener}, the meeting in {place} moves to {number} past {number}.
Would you rather {verb} a {thing} or {verb} a {thing}?
Mom made a {adjective} breakfast for {person}.
He voted for {name}, she voted for {name}, they both felt {feel}.
{number} percent of the {thing} came from {place}.
The voice of {person} is {adjective}, smooth and warm.
Good morning {name}, welcome back to {place}.
Bye bye, {name}! See you {time}.
Open your mouth, breathe out, and say the word {adjective}.
Few chefs from {place} prefer {adjective} {thing} to rough bread.
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
It is {adjective}. It is {feel} work. It is enough {reason}.""".split("\n")

_ZH_WORDS: dict[str, str] = {
    "name": "小明|王芳|李伟|张敏|陈波|刘洋|赵鹏|周杰|吴婷|孙浩|马丽|黄蓉|林峰|郑爽|欧阳雪|朱莉|冯宝宝|许多多|潘梅|贺飞",
    "place": "北京|上海|图书馆|飞机场|公园门口|菜市场|学校旁边|苏州|火车站|海边|博物馆|办公室|厨房|广州|四川|西安|杭州|女儿家",
    "thing": "苹果|面包|自行车|蓝色的雨伞|照片|钢琴|地图|毛衣|手表|葡萄酒|绿茶|玻璃杯|报纸|电脑|肥皂|饼干|牛奶|围巾|橘子|"
    "小说|日记本|乒乓球|蜂蜜|花瓶|月饼|皮包|木偶|鲈鱼|杂志|耳机",
    "adjective": "漂亮|便宜|舒服|奇怪|美好|普通|特别|复杂|安静|热闹|方便|明白|丰富|温暖|新鲜|厉害|慢|薄|远|胖|着急",
    "verb": "买|卖|拿走|放下|打开|修理|寻找|保护|明白|描写|表扬|欣赏|收拾|批评|帮忙搬|学会|比较|忘记|珍惜|研究|发明|选",
    "time": "明天早上|星期五|八月八号|昨天晚上|下午两点半|去年冬天|半个小时以后|平时|后天中午|每个周末|刚才|马上",
    "person": "爸爸|妈妈|我的朋友|老师|邻居|外婆|司机|那位医生|服务员|弟弟|表妹|经理|我们班的同学|年轻的画家|他们|女作家",
    "number": "一|二|三|四|五|六|七|八|九|十|十二|二十五|三十六|四十八|五十九|七十七|一百零八|三百六|一千五|两万",
    "feel": "高兴|难过|骄傲|放心|满意|害怕|惊讶|抱歉|兴奋|疲倦|不耐烦|幸福",
    "reason": "因为天气变好了|虽然下着雨|只要你愿意|如果没有别的办法|为了大家方便|等音乐停了以后|不管别人怎么说|既然来不及",
    "opener": "其实|那么|好吧|对了|不过|嗯|说实话|首先|没问题|别怕|也许|你看",
}
_ZH_TEMPLATES = """{time}，{name}在{place}{verb}了{thing}。
{person}把{thing}放在{place}。
你能不能帮{person}{verb}这个{thing}？
{opener}，{reason}，{person}就会{feel}。
这个{thing}卖{number}块钱，那个卖{number}块。
{name}和{name}一起去{place}，{time}才回来。
请问，去{place}怎么走？
我的电话号码是{number}，{number}，{number}，{number}。
{person}觉得{place}非常{adjective}。
多么{adjective}的{thing}啊！
{opener}，我们{time}再{verb}吧。
为什么{person}不想{verb}{thing}？
他不但{verb}了{thing}，而且还{verb}了{thing}。
{name}，生日快乐，祝你平安！
爸爸妈妈买不买面包，跑步不跑步，都没办法。
{place}的{thing}比{place}的{adjective}得多。
八百标兵奔北坡，{person}慢慢跑。
四是四，十是十，{name}知道是不是。
吃葡萄不吐皮，喝绿茶不放糖，{person}都{feel}。
欢迎光临，请坐，您要{thing}还是{thing}？
再见，{name}！{time}见。
我不明白，麻烦您慢一点儿说。
{person}说：“{thing}在哪儿？”
{opener}，鱼和雨、女和绿，发音都很{adjective}。
风吹着窗户，月亮照着{place}，{name}睡着了。
{number}个人，{number}本书，一共{number}页。
谢谢你{reason}还来{place}看我。
老虎、孔雀、熊猫和骆驼，{person}最喜欢哪个？
{name}用{thing}画了一幅{adjective}的画。
别把{thing}拿走，{person}马上就要用！
今天是{number}月{number}号，天气{adjective}。
我饿了，我们去{place}吃饺子、喝粥、炒肉片，好不好？""".split("\n")


def _fill(template: str, words: dict[str, list[str]], source: random.Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: source.choice(words[slot.group(1)]), template)


def _sentences(count: int, seed: int, templates: list[str], words: dict[str, str]) -> list[str]:
    source = random.Random(seed)
    choices = {slot: text.split("|") for slot, text in words.items()}
    made: list[str] = []
    while len(made) < count:
        order = source.sample(templates, len(templates))
        made += [_fill(template, choices, source) for template in order]
    return [sentence[0].upper() + sentence[1:] for sentence in made[:count]]


def english_sentences(count: int, seed: int) -> list[str]:
    """That many English sentences; every template is used before one comes again."""
    return _sentences(count, seed, _EN_TEMPLATES, _EN_WORDS)


def mandarin_sentences(count: int, seed: int) -> list[str]:
    """That many Mandarin sentences in simplified characters."""
    return _sentences(count, seed, _ZH_TEMPLATES, _ZH_WORDS)
