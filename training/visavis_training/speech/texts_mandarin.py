"""Mandarin sentence patterns and the words that fill them: everyday talk, telephone prompts, numbers, names, short replies.

A word in braces is a slot; a slot's words may hold slots themselves. Knows nothing of phones, voices or English.
"""

# ruff: noqa: E501 -- a Chinese character counts as two columns
from __future__ import annotations

WORDS: dict[str, str] = {
    "name": "小明|王芳|李伟|张敏|陈波|刘洋|赵鹏|周杰|吴婷|孙浩|马丽|黄蓉|林峰|郑爽|欧阳雪|朱莉|冯宝宝|许多多|潘梅|贺飞|"
    "诸葛文|司马玉|阿依古丽|扎西|巴特尔|玛丽|约翰|穆罕默德|安娜|彼得|麦克|苏菲亚|佐藤|朴敏浩|伊万|费尔南多|方圆|白茉莉|毕福|包勇",
    "surname": "王|李|张|刘|陈|杨|黄|赵|吴|周|徐|孙|马|朱|胡|郭|何|高|林|罗|梅|潘|冯|彭|白|毕|范|欧阳|上官",
    "place": "北京|上海|图书馆|飞机场|公园门口|菜市场|学校旁边|苏州|火车站|海边|博物馆|办公室|厨房|广州|四川|西安|杭州|女儿家|"
    "乌鲁木齐|哈尔滨|内蒙古|福建|青岛|昆明|拉萨|澳门|香港|台北|新加坡|伦敦|巴黎|墨西哥|孟买|法兰克福|莫斯科|邮局|派出所|地铁站|"
    "幼儿园|停车场|人民广场|二楼会议室|佛山|蚌埠|绵阳|牡丹江|美术馆|码头",
    "thing": "苹果|面包|自行车|蓝色的雨伞|照片|钢琴|地图|毛衣|手表|葡萄酒|绿茶|玻璃杯|报纸|电脑|肥皂|饼干|牛奶|围巾|橘子|"
    "小说|日记本|乒乓球|蜂蜜|花瓶|月饼|皮包|木偶|鲈鱼|杂志|耳机|帽子|被子|喷壶|风筝|毛笔|墨水|棉袄|泡沫|梅花|飞盘|拼图|蘑菇|"
    "麻婆豆腐|煤气炉|信封|发票|护照|门票|遥控器|旅行箱|鞋子|丝绸|玉米|花生|菠菜|保温杯|芭比娃娃|铅笔盒",
    "adjective": "漂亮|便宜|舒服|奇怪|美好|普通|特别|复杂|安静|热闹|方便|明白|丰富|温暖|新鲜|厉害|慢|薄|远|胖|着急|"
    "迷人|麻烦|蓬松|破旧|疯狂|精彩|圆|窄|软|绿|幽默|伟大|平凡|模糊|宝贵|可怕|马虎|勇敢|浪漫|飞快|肥|凶猛|顺利",
    "verb": "买|卖|拿走|放下|打开|修理|寻找|保护|搬动|描写|表扬|欣赏|收拾|批评|帮忙搬|学会用|比较|忘记|珍惜|研究|发明|选|"
    "拍|摸|抹干净|包装|泡|缝补|分配|评价|模仿|采购|翻译|举起|吹破|捧起|扶起|埋|喂|盼望|摆放",
    "time": "明天早上|星期五|八月八号|昨天晚上|下午两点半|去年冬天|半个小时以后|平时|后天中午|每个周末|刚才|马上|"
    "{month}{day}|{clock}|星期{weekday}|凌晨|傍晚|暑假里|元旦前后|国庆节|大年三十|不久以前|前天",
    "month": "一月|二月|三月|四月|五月|六月|七月|八月|九月|十月|十一月|十二月",
    "day": "一号|二号|三号|五号|六号|七号|八号|九号|十号|十二号|十五号|二十号|二十二号|二十八号|三十号|三十一号",
    "weekday": "一|二|三|四|五|六|日|天",
    "clock": "早上六点|七点一刻|八点半|九点零五分|十点四十|中午十二点|下午三点三刻|晚上七点五十五|夜里十一点|差五分两点",
    "year": "一九四九年|一九七八年|一九八六年|一九九九年|二零零八年|二零一五年|二零二四年|两千年",
    "person": "爸爸|妈妈|我的朋友|老师|邻居|外婆|司机|那位医生|服务员|弟弟|表妹|经理|我们班的同学|年轻的画家|他们|女作家|"
    "爷爷|奶奶|伯母|姑父|{surname}先生|{surname}女士|小{surname}|老{surname}|{surname}教授|警察叔叔|保安|护士|裁判|木匠|渔夫|房东|双胞胎姐妹",
    "number": "一|二|三|四|五|六|七|八|九|十|十二|二十五|三十六|四十八|五十九|七十七|一百零八|三百六十|一千五|两万|"
    "十四|四十|四十四|六十八|九十九|一百八|五百五十|八千八|三万六千|十二亿|零点五|三点一四|百分之八|百分之九十五|15|28|366|2050",
    "few": "两|三|四|五|六|七|八|九|十|十几|几",
    "digit": "零|一|二|三|四|五|六|七|八|九|幺|幺",
    "phone": "幺三{digit}，{digit}{digit}{digit}{digit}，{digit}{digit}{digit}{digit}|{digit}{digit}{digit}{digit}，{digit}{digit}{digit}{digit}|"
    "零{digit}{digit}，{digit}{digit}{digit}，{digit}{digit}{digit}{digit}",
    "price": "{number}块|{few}毛钱|{few}块五|{few}百块|{few}千元|{few}万八|{few}美元|九十九块九|打八折",
    "code": "{digit}{digit}{digit}{digit}|{digit}{digit}{digit}{digit}{digit}{digit}",
    "feel": "高兴|难过|骄傲|放心|满意|害怕|惊讶|抱歉|兴奋|疲倦|不耐烦|幸福|佩服|烦恼|无聊|紧张|平静|绝望|得意|羡慕|不好意思",
    "reason": "因为天气变好了|虽然下着雨|只要你愿意|如果没有别的办法|为了大家方便|等音乐停了以后|不管别人怎么说|既然来不及|"
    "要不是{person}帮忙|即使{place}很远|除非{person}同意|趁着放假|哪怕只有{few}分钟|自从搬到{place}|由于手机没电了|只有这样",
    "opener": "其实|那么|好吧|对了|不过|嗯|说实话|首先|没问题|别怕|也许|你看|哎呀|喂|当然|可惜|总之|比方说|老实说|难怪|原来如此|哇",
    "food": "麻辣火锅|皮蛋豆腐|北京烤鸭|番茄炒蛋|红烧排骨|冰淇淋|豆浆油条|八宝饭|葡萄|枇杷|菠萝|蛋炒饭|牛肉面|粽子|绿豆汤|酸梅汤|炸酱面|瓜子|宫保鸡丁|馒头",
    "animal": "老虎|孔雀|熊猫|骆驼|蝙蝠|猫|狗|马|蜜蜂|蚂蚁|鹅|鱼|狐狸|斑马|青蛙|豹子|螃蟹|猴子|鸭子|兔子|八哥|蝴蝶|鹿|驴|凤凰",
    "job": "医生|律师|飞行员|翻译|面包师|摄影师|木匠|农民|老板|女演员|消防员|工程师|编辑|裁缝|渔民|播音员|保姆|魔术师",
    "sport": "乒乓球|排球|羽毛球|跑步|游泳|爬山|太极拳|篮球|足球|跳绳|骑马|滑冰|下棋|瑜伽|放风筝|打麻将",
    "tech": "密码|浏览器|服务器|数据库|麦克风|无线网络|蓝牙音箱|人工智能|软件|屏幕|键盘|内存|手机|二维码|防火墙|显卡|网页|摄像头|备份文件|视频会议|验证码|模型",
    "department": "客服|销售部|技术支持|前台|财务科|人事部|售后服务|会员中心|投诉部门|保险公司|预约中心|发货部",
    "hello": "你好|您好|早上好|下午好|晚上好|大家好|好久不见|欢迎光临|喂，您好|嗨",
    "bye": "再见|拜拜|明天见|一会儿见|回头见|慢走|保重|晚安|一路平安|后会有期",
    "short": "好|是|不|对|嗯|哦|啊|喂|行|没错|当然|不行|可以|谢谢|抱歉|马上|没有|不是|不要|明白|什么|谁|哪儿|为什么|真的|慢点|"
    "别怕|拜托|佩服|不怕|没门|爸|妈|妈妈|宝贝|泡泡|八|白白|免费|慢慢|麻烦|朋友|奉陪|毛病|批评|秒表|拼命|风波|发胖|飞吧|名模|盆|父母",
    "subject": "语文|数学|物理|化学|美术|历史|地理|音乐|英语|法语|日语|哲学|编程|书法",
    "colour": "红|橙|黄|绿|青|蓝|紫|白|黑|粉|灰|棕",
}

TEMPLATES: tuple[str, ...] = tuple(
    """{time}，{name}在{place}{verb}了{thing}。
{person}把{thing}放在{place}。
你能不能帮{person}{verb}这个{thing}？
{opener}，{reason}，{person}就会{feel}。
这个{thing}卖{price}，那个卖{price}。
{name}和{name}一起去{place}，{time}才回来。
请问，去{place}怎么走？
我的电话号码是{phone}。
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
{animal}、{animal}、{animal}和{animal}，{person}最喜欢哪个？
{name}用{thing}画了一幅{adjective}的画。
别把{thing}拿走，{person}马上就要用！
今天是{month}{day}，天气{adjective}。
我饿了，我们去{place}吃{food}、喝粥，好不好？
{short}。
{short}！
{short}？
{short}，{short}。
{short}，{name}。
嗯，{short}。
哎呀，{short}！
不，不，不，{person}！
请稍等，我马上为您转接{department}。
{hello}，这里是{department}，请问有什么可以帮您？
查询请按{few}，投诉请按{few}，人工服务请按零。
坐席全忙，您前面还有{few}位客户在排队。
为了保证服务质量，本次通话可能会被录音。
对不起，我没听清楚，请您再报一遍账号。
请输入{few}位密码，按井号键结束。
您预约了{month}{day}{clock}的{job}。
您购买的{thing}预计{time}送到。
请提供一下您的姓名和手机号码。
我姓{surname}，手机尾号是{code}。
验证码是{code}，请不要告诉别人。
您的余额是{price}，请在{month}{day}之前缴费。
您拨打的号码是空号，请核对后再拨。
请在嘀的一声以后留言。
还有别的需要我帮忙吗，{surname}先生？
感谢您的耐心等待，{surname}女士。
非常抱歉，{department}{time}不上班。
我帮您订了一张{clock}的桌子，{few}个人。
系统正在升级，请{time}再试。
{hello}！
{hello}，{name}！
{hello}，{person}在吗？
{bye}！
{bye}，{name}，路上小心。
很高兴认识你，我叫{name}。
最近怎么样？{place}有什么新鲜事？
恭喜恭喜，听说你当上了{job}！
新年好，祝{person}万事如意，步步高升！
现在是{clock}，该回家了，{name}。
{year}{month}{day}，{name}在{place}出生。
{name}{year}当了{job}，{year}去了{place}。
{clock}到{clock}，去{place}的公交车不开。
{few}加{few}等于多少，{name}？
它重{number}公斤，长{number}米。
从{number}号出口出来，往左拐就是{place}。
{place}{time}最低气温零下{few}度。
{number}号房间在{few}楼，找{name}就行。
飞往{place}的航班{clock}开始登机。
{sport}比赛的比分是{few}比{few}。
请翻到第{number}页，从上往下数第{few}行。
一共{price}，您付现金还是扫码？
我买了{thing}、{thing}、{thing}，还有{food}。
{food}、{food}和{food}，{person}全都吃光了。
{name}、{name}、{name}都喜欢{sport}。
{colour}色、{colour}色、{colour}色，{name}喜欢哪一种？
{animal}和{animal}住在{place}。
你见过{animal}{verb}{thing}吗？
我家的{animal}{time}偷吃了{food}。
一只{adjective}的{animal}跳过了一只{adjective}的{animal}。
{tech}坏了，请重新启动{tech}。
{tech}占用了{number}兆内存。
先打开{tech}，再检查{tech}，最后保存{tech}。
{job}说，每台{tech}都需要一个{tech}。
我忘了{tech}的密码，怎么办？
{opener}，我的{tech}又不能用了。
这个{tech}到底是怎么回事？
请把{tech}关掉，等{few}秒钟再打开。
我更喜欢{sport}，{person}喜欢{sport}。
我{few}岁的时候，就想当{job}。
这么多{food}，谁来吃？
那是谁的{thing}？怎么这么{adjective}？
你要{adjective}的那个，还是{adjective}的那个？
{person}到底把我的{thing}放哪儿了？
{person}什么时候才能{verb}{thing}？
{place}{time}是不是很{adjective}？
你不{feel}吗？
我可以{verb}你的{thing}吗？
我们去{place}，还是去{sport}？
你没有{verb}{thing}吧？
真{adjective}，是不是，{name}？
小心！{thing}要掉下来了！
你真{adjective}！
我不敢相信{person}竟然{verb}了{thing}！
快点儿，{name}，{sport}要迟到了！
别吵了！{person}会被你吵醒的！
太棒了，{name}，这是{place}最好吃的{food}！
哈哈哈，真好笑，{name}。
嗯嗯，我明白你的意思。
嗯，让我想一想{thing}的事。
这个嘛，大概{few}个，也可能{number}个。
等等，你说的是{number}还是{number}？
没关系。
不知道。
谁啊？
我也是。
几点了？
让一让，{name}。
还不错。
别客气。
请问这儿有人吗？
我很{feel}。
她是{job}。
{price}。
来一份{food}。
{name}笑了。
怎么了？
不怕不怕。
慢慢来，{name}。
没办法，没毛病，没朋友。
如果我是{person}，我会先{verb}{thing}，再{verb}{thing}，然后永远不回{place}。
{time}在{place}{verb}了{thing}的{person}说，{person}{time}还会再来。
不光{name}{verb}了{thing}，{reason}，{person}也{verb}了{thing}。
从{place}来的{job}和从{place}来的{job}经常{time}见面，一起聊{sport}。
{reason}，{person}和{person}多半会{verb}{thing}，可是我不敢赌{price}。
扁担长，板凳宽，扁担没有板凳宽，{name}绑不上。
红凤凰，粉凤凰，粉红墙上画凤凰。
牛郎恋刘娘，刘娘念牛郎，{person}听了很{feel}。
黑化肥发灰，灰化肥发黑，{name}分不清。
坡上立着一只鹅，坡下就是一条河，{animal}要过河。
妈妈骑马，马慢，妈妈骂马。
白石塔，白石搭，白石搭白塔，{person}说塔白又大。
抱着宝宝，背着包袱，{person}一步一步爬上坡。
明明买了八盆牡丹，芳芳买了半瓶蜂蜜。
蓬蓬的棉被，薄薄的饼，满满一盆枇杷。
父母放风筝，朋友翻跟头，反复犯毛病。
{person}喜欢学{subject}和{subject}，不喜欢{subject}。
{subject}老师{time}病了，{subject}课改成{subject}课。
“{short}！”{person}说。“{short}？”{name}问。
新闻说，{place}{time}有大雨，请大家注意安全。
千万记得{time}{verb}{thing}，别忘了{verb}{thing}。
我以前住在{place}，现在搬到了{place}附近。
{person}当{job}已经{few}年零{few}个月了。
这幅画上有{few}只{animal}，{few}棵树，和一个{adjective}的{job}。
越{adjective}越好，越{adjective}越麻烦。
又{adjective}又{adjective}，{person}怎么会不{feel}？
与其{verb}{thing}，不如去{place}{sport}。
{person}一边吃{food}，一边{verb}{thing}。
连{person}都{verb}过{thing}，你怎么不会？
听说{place}的{food}有名，可惜我没吃过。
门开着，灯亮着，{person}却不在{place}。
雨越下越大，风越刮越猛，{animal}都躲起来了。
请把音量调小一点，{person}在休息。
这句话，请您用普通话再念一遍。
{name}，你慢点儿跑，别摔着！""".split("\n")
)
