"""Everyday sentences written by hand to measure with, three to nine seconds each; no training text may repeat them.

They share no pattern with the texts that are learnt from. Knows nothing of voices or phones.
"""

# ruff: noqa: E501 -- a Chinese character counts as two columns
from __future__ import annotations

HELD_OUT_VOICES: dict[str, tuple[str, ...]] = {
    "en": ("af_sarah", "am_puck", "bf_lily"),
    "zh": ("zf_xiaoyi", "zm_yunxia"),
}
"""Never trained on, not even within a blend."""

ENGLISH: tuple[str, ...] = tuple(
    """I left my keys on the kitchen counter again, so my roommate had to let me in.
The train was packed this morning, and I ended up standing the whole way to work.
My sister is expecting twins, which explains why she keeps buying two of everything.
We ran out of milk, but there's a bit of cream in the back of the fridge.
He has a habit of humming to himself whenever he is trying to solve a problem.
The doctor told me to drink more water and get at least seven hours of sleep.
I'd love to join you for lunch, but I have a dentist appointment at one.
They knocked down the cinema where we had our first date and put up a parking garage.
Somebody must have bumped my car, because there's a big scratch along the side.
Our flight got delayed twice, and then they lost one of our bags.
You can borrow my umbrella as long as you remember to bring it back.
The neighbors have been renovating since April, and the drilling never stops.
I tried to call you earlier, but it went straight to voicemail.
She picked up the violin at forty and now plays in a small amateur orchestra.
Don't forget to water the tomatoes while we are away next week.
It took me almost an hour to find a place to park near the stadium.
The soup needs a pinch of salt and maybe some more pepper.
My phone died halfway through the interview, which was deeply embarrassing.
We should probably leave before it gets dark, since the road has no lights.
He used to be so shy that he would hide behind his mother at parties.
I found this old photograph of my grandparents dancing at their wedding.
The kids built a fort out of blankets and refused to come out for dinner.
If you press too hard, the handle comes right off, so please be gentle.
That restaurant on the corner makes the best breakfast in the whole neighborhood.
I'm not a morning person, but the view from up here was worth waking up for.
She promised to send the files by Friday, yet nobody has heard from her.
Could somebody open a window before we all fall asleep in here?
The bakery sells out of sourdough by nine, even on rainy days.
My boss wants the report on her desk by the end of the day.
We watched the storm roll in over the bay from our hotel balcony.
I never understood why people pay so much for bottled water.
The puppy chewed through two pairs of slippers and the remote control.
He apologized for being late and bought everyone a round of coffee.
When I was growing up, we spent every summer on my uncle's farm.
There is a leak under the sink, and I have no idea how to fix it.
The library closes early today because of the public holiday.
I thought I recognized your voice the minute you picked up.
They finally agreed on a price after haggling for most of the afternoon.
Make sure you back up your photos before you wipe that phone.
The wind blew so hard that it ripped two shingles off the roof.
We met at a bus stop in the pouring rain and have been together ever since.
You have to try the plum cake; my grandfather got the recipe from a monk.
The meeting was supposed to be brief, but it dragged on past five.
I've been meaning to read that book for about three years.
She smiled, waved from the platform, and then vanished into the crowd.
It's a pity you missed the concert, because the second half was incredible.
The baby finally fell asleep, so please keep your voices down.
I would move closer to the office if the rents weren't so absurd.
He fixed my bike for free and wouldn't even accept a cup of tea.
Everybody laughed when the microphone made that horrible squeaking noise.
The museum gives free tours on the first Sunday of every month.
My computer keeps updating itself right in the middle of something important.
We could split a pizza if you're not that hungry.
The river rises every spring, and this year it flooded the lower path.
I've got a cough that just won't go away, no matter what I take.
Thanks for picking me up; the buses stop running at midnight.
Her handwriting is so small that I need a magnifying glass to read it.
The old man next door feeds the pigeons at exactly the same time each day.
We were hoping for snow, but all we got was three days of drizzle.
Put the heavier boxes at the bottom, or the whole pile will topple over.
I signed up for a pottery class, mostly because my friend begged me to.
The bridge is closed for repairs, so you'll need to go around by the mill.
He speaks five languages, but he can't remember where he parked.
What would you do if you found a wallet full of cash on a park bench?
The movie was fine, although I could have done without the musical numbers.
My brother moved to Brazil for a job and came back with a wife and a parrot.
I am allergic to shellfish, so the seafood platter is out of the question.
They're giving away free samples by the entrance, in case you want some.
She wrapped the vase in newspaper and carried it home on the subway.
Nobody told me that the dress code was formal, so I showed up in jeans.
The coffee machine is broken again, and people are getting grumpy.
We planted that maple tree the year you were born.
I burned the first batch of pancakes, but the rest came out perfectly.
Would it bother you if I moved my desk a little closer to the window?
The teacher asked for volunteers, and suddenly everyone was studying the floor.
I have a feeling that we've been driving in circles for twenty minutes.
His new apartment is tiny, but it has a wonderful view of the harbor.
Before you judge him, remember that he was up all night with a sick child.
The sweater shrank in the wash, and now it only fits my nephew.
We'll have to cancel the picnic if this weather keeps up.
Grandma insists on paying for everything, no matter how much we protest.
The elevator is out of service, and I live on the ninth floor.
I prefer the window seat, but my knees would rather have the aisle.
She spotted a fox in the garden just before sunrise.
They put so much ice in the cup that there was barely any lemonade.
I can't believe how quickly the children have grown up.
The package says it was delivered, but there's nothing on the porch.
He proposed on top of a mountain and nearly dropped the ring.
My back hurts from sitting in front of a screen the entire week.
Let's meet by the fountain and walk over to the theater from there.
That song has been stuck in my head since the day before last.
We bought a used van and turned it into a home on wheels.
The power went out just as the oven reached the right temperature.
I volunteer at the animal shelter on most weekends.
You were right about the shortcut; it saved us half an hour.
The twins look alike, but their personalities couldn't be more different.
There's a beautiful beach about fifteen minutes from here on foot.
I always get nervous before I have to speak in front of people.
He poured himself some juice and flipped through the morning paper.
My aunt makes jam from the blackberries behind her house.
If the shoes pinch your toes, you should ask for a bigger size.
The fireworks frightened the dog, and he hid beneath the sofa.
Someone has been moving my things around, and I'd like to know who.
We got off at the wrong stop and had to walk back through the rain.
Give me a ring when you arrive so I know that you got home safely.
The plumber charged a fortune and left footprints all over the carpet.
I'd rather cook at home tonight than wait for a table downtown.
She has already visited forty countries, and she's only thirty.
The painting looks better above the fireplace than it did in the hall.
Nobody in my family can sing, but that has never stopped us.
We're thinking of adopting a cat, provided the landlord approves.
The pharmacy on Maple Street stays open until eleven.
I misread the recipe and put in a cup of baking powder by mistake.
He waved at me from across the street, but I had no clue who he was.
There used to be a bookshop here, and the owner knew every customer by name.
It feels like everyone I know is moving away at the same time.
Keep the receipt in case the jacket doesn't fit your father.
The garden gate squeaks every time somebody comes through it.
I fell off a horse when I was ten, and I've kept my distance ever since.
We sat around the campfire and told ghost stories until two in the morning.
Her presentation went so well that the audience gave her a standing ovation.
The bus pulled away just as I reached the stop, of course.
Would you mind watching my bag for a moment while I get a napkin?
My favorite part of the trip was waking up to the sound of waves.""".split("\n")
)

MANDARIN: tuple[str, ...] = tuple(
    """我把钥匙落在家里了，只好在楼道里等室友下班。
今天早高峰地铁特别挤，我差一点儿没能下车。
冰箱里的牛奶喝完了，你回来的路上顺便带一盒吧。
医生嘱咐我多喝水，晚上尽量别熬夜。
隔壁从四月份就开始装修，每天都吵得人头疼。
我姐姐下个月就要生宝宝了，全家都忙着准备。
昨天航班晚点了三个小时，到酒店已经是半夜。
我给你打了好几遍电话，一直都是忙音。
这碗汤有点儿淡，要不要再加一点盐和胡椒？
面试到一半我的手机突然没电了，别提多尴尬了。
他小时候特别怕生，总是躲在妈妈背后不敢说话。
我翻出了一张爷爷奶奶年轻时跳舞的旧照片。
孩子们用被子搭了一个城堡，怎么叫都不肯出来吃饭。
街角那家早餐店的豆腐脑，排队的人总是特别多。
她说好周五之前发文件，可到现在一点儿消息也没有。
能不能麻烦你把窗户开一条缝，屋里实在太闷了。
小狗把我的拖鞋咬破了，连遥控器也没放过。
上大学的时候，我们几个人经常半夜跑出去吃烧烤。
厨房的水管一直在漏水，我也不知道该找谁来修。
今天是节假日，图书馆提前两个小时关门。
你一开口，我就听出来是你的声音了。
他们讨价还价了一下午，最后各让了一步。
换手机以前，别忘了把照片都备份一下。
昨晚的风刮得太猛，阳台上的花盆全都翻了。
我们是在公交站躲雨的时候认识的，一转眼都八年了。
会议原本只安排了半小时，结果拖到了天黑。
这本书我买了三年，到今天还没翻开过。
她站在站台上冲我们挥挥手，很快就消失在人群里。
音乐会的下半场特别精彩，你没来真是可惜。
宝宝好不容易才睡着，咱们说话都轻一点儿。
要是房租没那么贵，我早就搬到公司旁边去住了。
他免费帮我修好了自行车，连口水都没喝就走了。
话筒突然发出刺耳的声音，台下的人都捂住了耳朵。
我的电脑总是在最要紧的关头自动更新。
要是你不太饿，咱们俩点一份就够了。
每到春天河水就会上涨，岸边的小路都被淹没了。
我咳嗽了半个多月，吃什么药都不管用。
多谢你来接我，这个点儿已经没有末班车了。
他的字写得太小，我得拿放大镜才看得清楚。
楼下的老伯每天准时去广场上喂鸽子。
本来盼着下雪，没想到淅淅沥沥地下了三天小雨。
重的箱子放下面，不然一碰整堆都会倒下来。
朋友非拉着我报名学陶艺，没想到我还挺有天赋。
前面的桥正在维修，您得从磨坊那边绕过去。
他会说五种语言，却常常记不住车停在哪一层。
假如你在公园长椅上捡到一个钱包，你会怎么办？
电影拍得还行，就是中间那段唱歌有点儿多余。
我弟弟去巴西工作了两年，回来的时候带了一只鹦鹉。
我对海鲜过敏，这一桌子菜我只能吃青菜。
门口在发免费的试用装，想要的话可以去领一份。
她用报纸把花瓶包得严严实实，一路抱着坐地铁回来。
没有人告诉我要穿正装，我就穿着牛仔裤去了。
咖啡机又罢工了，办公室里的气氛有些不妙。
院子里的那棵枫树，是你出生那年种下的。
第一锅煎饼烤糊了，后面的倒是都很完美。
我想把办公桌往窗边挪一挪，你不介意吧？
老师一问谁愿意上台，大家马上低头看书。
我怎么觉得咱们已经在这附近绕了二十分钟？
他的新房子虽然不大，但是能望见整个海港。
你先别怪他，他昨晚照顾生病的孩子一夜没合眼。
这件羊毛衫洗完缩水了，现在只有我侄子穿得下。
天气预报说周末有暴雨，野餐恐怕得取消了。
外婆每次都抢着付钱，谁也拦不住她。
电梯正在检修，我家偏偏住在十九层。
坐飞机我喜欢靠窗，不过靠过道出入更方便。
天还没亮，她就看见花园里跑过一只狐狸。
杯子里全是冰块，根本没有几口柠檬水。
孩子长得真快，去年的裤子今年就短了一大截。
短信说包裹已经签收，可是我门口什么也没有。
他在山顶上求婚，紧张得差点把戒指掉下去。
整整一个星期都坐在屏幕前，我的腰酸得不行。
我们先在喷泉旁边碰头，再一起走路去剧院。
那首歌的旋律在我脑子里转了整整两天。
他们买了一辆二手面包车，改成了一个会跑的家。
烤箱刚刚预热好，家里突然就停电了。
周末我一般会去流浪动物救助站做义工。
多亏你知道那条近路，替我们省了半个钟头。
这对双胞胎长得一模一样，脾气却完全相反。
从这儿步行一刻钟，就能看到一片很美的沙滩。
每次当众发言之前，我的手心都会冒汗。
他给自己倒了一杯果汁，慢悠悠地翻着晨报。
我姑妈每年都用后院的草莓熬果酱，分给左邻右舍。
要是鞋子磨脚，你就让店员拿大一号的试试。
鞭炮声把猫吓坏了，它钻到沙发底下不肯出来。
有人动过我桌上的东西，我想知道到底是谁。
我们坐过了站，只好冒着雨往回走。
到家以后给我发个消息，免得我一直担心。
师傅收费不便宜，还在地毯上踩了一串脚印。
与其排队等位，我宁愿自己回去煮一碗面。
她才三十岁，就已经跑遍了四十个国家。
这幅油画挂在壁炉上方，比原来挂走廊好看多了。
我们全家都五音不全，可是逢年过节照唱不误。
只要房东点头，我们打算领养一只橘猫。
拐角的药房营业到夜里十一点，你现在去还赶得上。
我把配方看错了，往面糊里倒了整整一杯发酵粉。
有个人在马路对面冲我招手，我却想不起他是谁。
这儿从前是一家旧书店，老板记得每位客人的名字。
最近身边的人好像都在忙着搬去别的城市。
小票您收好，不合身的话一周之内都可以换。
院子的铁门每回有人进出，都要吱呀一声。
十岁那年我从马背上摔下来，之后再也不敢骑了。
我们围着篝火讲鬼故事，一直聊到凌晨才散。
她的报告讲得太好了，全场观众都起立鼓掌。
我刚跑到站台，公交车就开走了，真是倒霉。
我去拿张餐巾纸，能请你帮我看一下包吗？
这次旅行最难忘的，是每天被海浪声叫醒。
快递员说电梯太慢，干脆一口气爬上了十二层。
我本来想偷偷减肥，结果同事天天请我喝奶茶。
下班路上买了一把韭菜，晚上咱们包饺子怎么样？
小区门口新开了一家理发店，听说老板手艺不错。
爸爸退休以后迷上了摄影，成天往郊外跑。
手机屏幕摔碎了，换一块的钱都快赶上买新的了。
她一边哼着小曲，一边把晾干的衣服叠得整整齐齐。
我昨天做了一个怪梦，梦见自己在云上面放羊。
附近的菜场拆掉了，现在买把葱都得走半天。
考试那天下着大雾，半个班的同学都迟到了。
你要是不忙，帮我把这几盆花搬到阳台去吧。
他嘴上说不在乎，心里其实比谁都在意结果。
夏天的傍晚，河边全是散步和跳广场舞的人。
老房子冬天漏风，晚上睡觉得盖两床棉被才行。
我们约好毕业十年再聚，没想到一个都没缺席。
这个牌子的牙膏味道太冲，我还是用回以前的吧。""".split("\n")
)
