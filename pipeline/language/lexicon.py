"""Word lists of the text filter: what is never kept, what excludes what, and what looks like a verb or a name.

Small and curated on purpose. A word that is missing here is not lost: it is then compared by the encoder alone.
All entries are written forms as `pipeline.language.words.written_form` makes them: case-folded, without accents.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Function words: never kept

DETERMINERS = _words(
    "a an the this that these those my your his her its our their some any each every another "
    "no both all such several many few much more most other own same enough either neither half"
)
BE_FORMS = _words("is are was were be been being am isn't aren't wasn't weren't 's get gets got getting")
MODALS = _words("can could will would shall should may might must do does did don't doesn't didn't can't won't to let")
PRONOUNS = _words(
    "i you he she it we they me him us them who whom which what whose himself herself itself "
    "themselves myself yourself someone somebody everyone everybody anyone anything something "
    "everything nothing nobody one's mine yours hers ours theirs it's he's she's they're we're "
    "i'm you're there's that's let's who's there here"
)
CONJUNCTIONS = _words(
    "and or but nor so yet if when while as because although though until unless whereas since than then where"
)
PREPOSITIONS = _words(
    "in on at by of from with without into onto over under above below between among through "
    "across along around near next behind beside besides beyond before after against about to "
    "toward towards up down off out outside inside during for like past upon within via amid "
    "amidst beneath underneath atop per"
)
ADVERBS = _words(
    "not very too also again still just only now soon today tonight yesterday tomorrow always "
    "never often sometimes ever away back together alone apart almost already else even far "
    "forward backward how why maybe once twice rather quite really suddenly meanwhile later "
    "instead please yes oh well aloud ahead aside everywhere somewhere nearby has have had "
    "having other's front top middle while"
)
# "a girl wearing a hat", "a boy named Tom"
ATTRIBUTE_LINKS = _words("wearing wears wear wore dressed clad sporting named called")
CHINESE_VERBS = _words(
    "骑 开 跑 走 跳 飞 吃 喝 看 读 画 唱 坐 站 睡 踢 打 放 拿 推 拉 爬 游 笑 哭 写 买 卖 追 抱 钓 回 堆 修 切 洗 "
    "做 弹 吹 喂 停 修理 骑着 开着 坐着 站着 看着 追着 跑着 停着"
)
GERMAN = _words(
    "der die das den dem des ein eine einen einem einer eines und oder aber mit ohne im in am "
    "an auf aus bei beim von vom vor zu zum zur uber unter neben zwischen hinter durch fur "
    "gegen um nach ist sind war waren wird werden hat haben er sie es wir ihr ich du sein "
    "seine seinen seinem seiner ihre ihren ihrem ihrer mein meine dein sich nicht auch sehr "
    "dann wenn als wie dass noch schon nur wieder jetzt kein keine keinen ins ans"
)
ROMANCE = _words(
    "le la les l un une des du de d au aux et ou mais dans sur sous avec sans pour par en a ce "
    "cette ces son sa ses leur leurs mon ma mes ton ta tes il elle ils elles on est sont etait "
    "qui que ne pas plus tres se s y vers chez entre el los las uno una unos unas del al y o "
    "pero con sin para por su sus mi tu este esta estos estas es son esta estan que no muy se "
    "lo le les hacia entre sobre bajo ella ellos i gli lo il uno nel nella nello sul sulla dal "
    "dalla della dello dei degli e ed ma di da per tra fra suo sua suoi sono c'e che non molto "
    "um uma os as do da dos das no na nos nas com em ao e mas seu sua esta estao"
)
CHINESE = _words(
    "在 的 了 着 过 地 得 和 与 跟 是 有 也 都 就 很 不 没 没有 把 被 从 到 向 往 对 给 里 上 "
    "下 中 里面 上面 下面 旁边 外面 前面 后面 他 她 它 我 你 他们 她们 它们 我们 你们 这 那 "
    "这个 那个 一个 一只 一位 一名 一条 一辆 一头 一匹 一把 一件 一 个 只 位 名 条 辆 头 匹 把 "
    "件 正在 号 穿 戴 穿着 戴着 正 之 而 并 又 再 还 吗 呢 吧 啊 里边 边 旁 后 前 内 外"
)
ALSO_NOUNS = _words("well can will might must")  # function words that after an article name things
TITLES = _words("dr mr mrs ms st prof")
LY_NOUNS = _words(
    "sally emily molly polly billy willy milly tilly kelly shelly wally lolly carly beverly kimberly nelly dolly lilly "
    "everly cecily charly anatoly filly rally grizzly assembly gully doily supply reply anomaly "
    "family butterfly dragonfly firefly fly lily belly jelly bully ally italy july holly curly ugly silly woolly"
)

# Numbers and adjectives; words of one class exclude one another

_COUNTING = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = (
    {word: str(value) for value, word in enumerate(_COUNTING.split())}
    | {word: str(value) for value, word in enumerate("〇一二三四五六七八九十")}
    | {"两": "2"}
)

ATTRIBUTES: dict[str, str] = {  # class -> groups of equal meaning, split by ;
    "colour": (
        "red crimson scarlet rot rote roten roter rouge rouges rojo roja rosso 红 红色; blue navy "
        "blau blaue blauen blauer bleu bleue azul 蓝 蓝色; green grun grune grunen gruner vert "
        "verte verde 绿 绿色; yellow gelb gelbe gelben jaune amarillo amarilla 黄 黄色; orange 橙 "
        "橙色; purple violet violett lila violeta morado 紫 紫色; pink rosa rose 粉 粉色 粉红; "
        "brown braun braune braunen marron 棕 棕色; black schwarz schwarze schwarzen schwarzer "
        "noir noire negro negra 黑 黑色; white weiss weisse weissen weisser blanc blanche blanco "
        "blanca 白 白色; grey gray grau graue grauen gris 灰 灰色; golden gold 金 金色; silver 银 "
        "银色; beige; turquoise teal cyan"
    ),
    "size": (
        "big large huge giant enormous gross grosse grossen grosser grand grande 大; small little "
        "tiny miniature klein kleine kleinen kleiner petit petite pequeno pequena 小"
    ),
    "height": "tall high; short low",
    "length": "long; short cropped",
    "age": (
        "old elderly ancient aged alt alte alten alter vieux vieille viejo vieja 老; young jung "
        "junge jungen jeune joven; new neu neue neuen nouveau nuevo nueva 新"
    ),
    "width": "fat thick wide broad; thin slim narrow skinny",
    "order": "first; second; third; fourth; last",
    "light": "dark; bright light",
    "water": "wet; dry",
    "warmth": "hot warm; cold icy frozen",
    "state": "open; closed shut",
    "wholeness": "broken cracked; intact",
    "hair": "curly wavy; straight; bald; braided",
    "hair colour": "blond blonde; dark-haired brunette; red-haired redheaded",
    "pattern": "striped stripy; dotted spotted polka-dot; checked checkered plaid; plain",
    "material": ("wooden wood; stone; metal iron steel; glass; sand; paper; plastic; leather; straw; brick; ice"),
    "side": "left; right",
    "mood": "happy cheerful; sad; angry",
}
ADJECTIVES = _words(
    "beautiful pretty nice fast slow quick loud quiet busy empty full brave shy lonely "
    "friendly elderly lovely early smelly burly wobbly scaly ghostly cuddly prickly bristly chilly hilly "
    "fluffy furry rusty dusty muddy snowy sunny rainy foggy stormy cloudy noisy shiny "
    "fresh sweet soft hard heavy strong weak clever wild tame deep shallow steep round square "
    "sharp gentle calm crowded abandoned deserted modern medieval futuristic magic magical "
    "lost tired sleepy hungry poor rich great good bad strange clean dirty bearded masked "
    "hooded barefoot pregnant blind cute colorful colourful"
)
# In front of a head these make another thing of it: a teddy bear is no bear
PRIVATIVES = _words(
    "toy teddy stuffed plush gummy rocking guinea fake model hot-dog paper chess cardboard statue cartoon"
)
FIXED_COMPOUNDS = {
    ("hot", "dog"), ("ice", "cream"), ("sea", "horse"), ("sea", "lion"), ("prairie", "dog"), ("snow", "man"),
    ("tea", "spoon"), ("traffic", "light"), ("horse", "chestnut"), ("computer", "mouse"),
}  # fmt: skip

# Kinds: words of one group are the same sort of thing; two groups of one list exclude each other

KINDS: dict[str, str] = {
    "person": (
        "bride; groom bridegroom; boy lad junge jungen garcon nino chico 男孩; girl lass madchen "
        "fille nina chica 女孩; man guy gentleman mann homme hombre 男人; woman lady frau femme "
        "mujer 女人; baby infant toddler; grandfather grandpa; grandmother grandma granny; father "
        "dad daddy papa; mother mom mum mommy; brother; sister; uncle; aunt; son; daughter; king; "
        "queen; prince; princess; husband; wife; robot android 机器人"
    ),
    "age of person": (
        "child kid boy girl baby toddler infant lad lass; man woman lady gentleman adult "
        "grandfather grandmother grandpa grandma granny"
    ),
    "job": (
        "doctor physician surgeon; nurse; teacher instructor; student pupil; policeman policewoman "
        "officer cop; fireman firefighter; chef cook; waiter waitress; pirate; sailor; knight; "
        "wizard sorcerer; thief burglar robber; witch; clown; soldier; farmer; painter; singer; "
        "dancer ballerina; astronaut; driver; pilot; gardener; journalist reporter; captain "
        "skipper; goalkeeper goalie; sheriff; hiker; mechanic; baker; barber; postman mailman; "
        "hunter; fisherman; violinist; pianist; guitarist; drummer; detective; scientist; "
        "magician; ghost spirit phantom; dragon; monster; alien; fairy; mermaid; vampire; zombie; "
        "actor; actress; judge; priest; nun; monk; tailor; carpenter"
    ),
    "animal": (
        "dog puppy pup hound hund chien perro 狗; cat kitten kitty katze chat gato 猫; horse pony "
        "foal pferd cheval caballo; cow calf bull; pig piglet; sheep lamb; goat; chicken hen "
        "rooster chick; duck duckling; goose swan; rabbit bunny hare; bear cub; wolf; fox; deer "
        "stag fawn; lion; tiger; leopard; panther; cheetah; elephant; giraffe; zebra; monkey ape "
        "gorilla chimpanzee; mouse rat; bird vogel oiseau pajaro; owl; eagle hawk falcon; parrot; "
        "penguin; fish; shark; whale; dolphin; octopus; snake; frog toad; turtle tortoise; lizard; "
        "crocodile alligator; bee wasp; butterfly; spider; ant; squirrel; hedgehog; camel; donkey "
        "mule; kangaroo; koala; panda; crab; snail; bat; dinosaur; unicorn; hamster; crow raven; "
        "seagull gull; pigeon dove"
    ),
    "vehicle": (
        "car automobile; bicycle bike fahrrad velo bicicleta 自行车; motorcycle motorbike; truck "
        "lorry; bus coach; train; tram; plane airplane aeroplane jet; helicopter; boat ship; "
        "submarine; tractor; scooter; skateboard; sled sleigh; rocket spaceship; van; taxi cab; "
        "wagon cart; balloon; canoe kayak; raft; ambulance; bulldozer"
    ),
    "place": (
        "beach seaside seashore shore strand plage playa 沙滩; sea ocean; desert; forest woods "
        "woodland wald foret bosque 森林; mountain; hill; river stream creek; lake pond; garden "
        "yard backyard; path trail; park; playground; street road; city town; village; kitchen; "
        "bathroom; bedroom; living-room; office; classroom; school; library; hospital; church "
        "cathedral chapel; castle palace fortress; house home cottage cabin; barn; farm; market; "
        "shop store supermarket; restaurant cafe diner; bar pub; museum; theatre theater; station; "
        "airport; harbour harbor port; bridge; tunnel; cave cavern; island; jungle rainforest; "
        "meadow field; snow; stage; roof rooftop; balcony; attic; basement cellar; garage; gym; "
        "hotel; zoo; circus; stadium; tower; temple; prison jail; laboratory lab; workshop; "
        "factory; bakery; brewery; pharmacy; bookshop bookstore; "
        "cemetery graveyard; lighthouse; moon; canyon; volcano; swamp; hallway corridor"
    ),
    "action": (
        "run jog sprint; walk stroll; jump leap hop; dance; sing; swim; dive; ski; skate; ride "
        "cycle; drive; fly; climb; crawl; sit; stand; sleep nap doze; wake awaken; eat dine; drink sip; cook "
        "bake; read; write; paint draw; wave; laugh; cry weep; fall; throw; catch; open; close "
        "shut; push; pull; fight; hug; kiss; talk speak chat; shout yell; listen; whisper; bounce; "
        "fish; wash; sweep; dig; build; play; fix repair mend; buy; sell; surf; row; pour; kneel; "
        "clap; bow; spin; enter; leave; sneeze; juggle; yawn; smile grin; knit; sew"
    ),
    "wear": (
        "hat cap hut chapeau sombrero 帽子; coat jacket mantel manteau abrigo 外套; shirt t-shirt; "
        "dress gown; skirt; trousers pants jeans; boots; shoes; scarf shawl; gloves mittens; "
        "glasses spectacles; tie; helmet; crown; belt; sweater pullover jumper; suit; apron; mask; "
        "umbrella; bag backpack"
    ),
    "food": (
        "soup stew; tea; coffee; bread; cake; apple; orange; banana; pizza; cheese; egg; milk; "
        "juice; water; beer; wine; lemonade; sandwich; cookie biscuit; rice; pasta; salad; "
        "ice-cream; chocolate; honey; meat"
    ),
    "thing": (
        "table desk; chair stool; sofa couch; bed; lamp; mirror; window; door; gate; fence; book; "
        "letter; newspaper; ball; kite; drum; piano; violin fiddle; guitar; flute; trumpet; radio; "
        "television tv; telephone phone; computer laptop; camera; clock; watch; knife; spoon; "
        "fork; cup mug; bottle; box; basket; rope; ladder; bucket pail; tree; flower; bush; stone "
        "rock boulder; sun; star; cloud; tent; swing; slide; bench; statue; fountain; flag; "
        "candle; key; sword; map; treasure; gift present; blanket quilt; pillow cushion; throne; "
        "toy doll; saddle; net; canvas; curtain; carpet rug; suitcase luggage; stove oven; leash; "
        "nest; broom; cockpit"
    ),
    "weather": "rain drizzle; snow; wind breeze; fog mist; storm thunderstorm; sunshine sunlight",
    "daytime": "morning dawn sunrise; noon; evening dusk sunset; night midnight",
}
# Categories of KINDS whose words may name one and the same thing; other categories are domains of their own
DOMAINS = {"person": "person", "age of person": "person", "job": "person", "wear": "thing"}

WEARABLES = _words(
    "hat cap coat jacket shirt t-shirt tshirt dress gown skirt trousers pants jeans shorts "
    "boots shoes sneakers sandals scarf shawl gloves mittens glasses spectacles sunglasses tie "
    "helmet crown belt sweater pullover jumper hoodie suit apron mask cape cloak robe vest "
    "uniform overalls raincoat kimono bow ribbon socks stockings bandana turban veil costume "
    "hair beard moustache mustache braid braids ponytail pigtails eyes nose skin fur tail ears "
    "wings legs antenna feathers collar freckles tattoo scar eyepatch backpack mantel hut "
    "kleid jacke manteau chapeau robe abrigo sombrero vestido clothes outfit headband earrings "
    "necklace bonnet beanie blouse cardigan horns spots stripes mane paws whiskers beak shell "
    "lamp arm hand leg foot face mouth tooth knee chin cheek claw wing horn"
)
MASS_NOUNS = _words(
    "snow rain water fire wind smoke fog mist sunlight sunshine light lightning thunder music "
    "sand dust ice night morning evening traffic grass people children men women mice geese "
    "sheep fish leaves silence darkness moonlight steam hail"
)

# Verbs: base forms that a caption is likely to use, and irregular forms

VERBS = _words(
    "run jog sprint walk stroll wander march hike jump leap hop skip dance sing hum swim dive "
    "float surf sail row ski skate sled ride cycle drive fly glide soar climb crawl creep "
    "sneak sit stand stay wait lie rest sleep nap doze snore wake eat dine chew bite lick "
    "drink sip pour cook bake fry boil stir cut chop slice read write type paint draw sketch "
    "sculpt carve wave laugh smile grin giggle cry weep sob fall drop slip trip tumble throw "
    "toss catch kick hit punch bounce roll push pull drag lift carry hold grab hug kiss talk "
    "speak chat shout yell scream listen hear whisper look watch see stare gaze glance peek "
    "fish hunt chase follow wash clean sweep mop scrub dry iron dig plant water pick build "
    "repair fix mend play juggle open close shut lock knock enter leave arrive depart return "
    "come go pass cross turn spin twirl swing slide stretch exercise train kneel bow clap "
    "cheer celebrate toast buy sell pay shop bring give take put place hang hide seek search "
    "find lose discover explore investigate study learn teach work rest relax meditate pray "
    "think dream sneeze cough yawn breathe blow burn glow shine flash sparkle melt freeze "
    "begin start stop end finish feed pet stroke brush comb groom milk shear saddle gallop "
    "trot graze bark meow purr howl roar growl chirp hatch nest land take-off park steer "
    "stumble repair sew knit weave polish photograph film record conduct perform practice "
    "rehearse tune strum drum whistle argue fight fence wrestle box shoot aim fire load attack "
    "defend escape flee rescue save help guide lead wave greet meet marry visit travel fall "
    "rise set grow bloom wilt flow drip splash soak spray rain snow pour touch feel smell "
    "taste point nod shake tie wrap unwrap pack unpack collect gather count measure weigh mix "
    "blend knead serve deliver post send receive decorate light extinguish balance teeter sway "
    "rock lean crouch squat bend stomp tiptoe approach stare appear vanish disappear wear "
    "admire inspect examine share steal sleepwalk wrestle whittle bathe shower shave text call "
    "phone dial fold vacuum rake mow chop trim prune pilot land launch orbit hover drift "
    "skateboard rollerblade snowboard swing sip toss scatter spill break smash crack heal "
    "bandage operate inject cast brew mumble order sketch float wade paddle sunbathe camp "
    "roast grill stack tow cuddle protect guard patrol salute rehearse surface submerge sink "
    "drown ask answer block bury borrow complain continue cover create curl dangle deny describe destroy dissolve "
    "embrace empty erase explain fetch fill flicker flutter fumble gasp glitter grip hesitate hiss hurry ignore "
    "inhale interrupt introduce invite join kidnap lend linger lower murmur mutter nibble notice obey observe offer "
    "overtake pant pause perch plead pluck ponder pounce prepare press pretend promise propose raise reach recite "
    "refuse remain remember remove reply retreat reveal roam rub ruin rush sail scold scratch shatter shiver shove "
    "sigh slam snatch sniff snuggle soothe speed sprinkle squeeze stagger startle strut stride struggle summon "
    "surround swallow switch tear tease tell thank threaten tickle tremble twist unfold unlock unroll untie urge "
    "wag wail warn wink wipe wonder worry yank zip lick chant cradle crumble dodge dribble drench gnaw gobble haul "
    "hurl kneel lurk munch nudge peel plunge prowl scamper scurry shuffle sizzle slurp snarl stagger trudge waddle"
)
_IRREGULAR_FORMS = (
    "run: ran; swim: swam swum; sit: sat; stand: stood; ride: rode ridden; drive: drove driven; fly: flew "
    "flown flies; sing: sang sung; drink: drank drunk; eat: ate eaten; fall: fell fallen; throw: threw "
    "thrown; catch: caught; read: read; write: wrote written; draw: drew drawn; sleep: slept; wake: woke; "
    "lie: lay lying lies; dig: dug; build: built; sweep: swept; leave: left; go: went gone goes; come: "
    "came; take: took taken; give: gave given; hold: held; find: found; lose: lost; fight: fought; buy: "
    "bought; sell: sold; speak: spoke spoken; hear: heard; see: saw seen; begin: began begun; blow: blew "
    "blown; grow: grew grown; freeze: froze frozen; weep: wept; cry: cries cried crying; carry: carries "
    "carried carrying; dry: dries dried; fry: fries fried; hide: hid hidden; bite: bit bitten; teach: "
    "taught; bring: brought; meet: met; feed: fed; lead: led; spin: spun; swing: swung; stick: stuck; "
    "kneel: knelt; shoot: shot; steal: stole stolen; break: broke broken; rise: rose risen; sink: sank "
    "sunk; bend: bent; wear: wore worn; hang: hung; dive: dove; leap: leapt; dream: dreamt; dance: "
    "dancing; tie: tying; die: dying; play: plays "
)
IRREGULAR = {  # form -> base form
    form: base.strip()
    for base, forms in (entry.split(":") for entry in _IRREGULAR_FORMS.split(";"))
    for form in forms.split()
}
IRREGULAR_PLURALS = {
    "men": "man", "women": "woman", "children": "child", "mice": "mouse", "geese": "goose", "feet": "foot",
    "teeth": "tooth", "people": "person", "wolves": "wolf", "knives": "knife", "leaves": "leaf",
    "shelves": "shelf", "loaves": "loaf", "firemen": "fireman", "policemen": "policeman", "oxen": "ox",
    "calves": "calf", "scarves": "scarf", "thieves": "thief", "snowmen": "snowman", "kids": "kid",
    "buses": "bus", "movies": "movie", "cookies": "cookie", "shoes": "shoe", "hunde": "hund",
    "katzen": "katze", "kinder": "kind", "chevaux": "cheval", "bicicletas": "bicicleta", "dwarves": "dwarf",
}  # fmt: skip
ING_NOUNS = _words(
    "building ceiling wing ring king string thing morning evening clothing wedding pudding "
    "spring swing painting railing clearing crossing gathering landing opening parking sibling "
    "sing bring something anything everything nothing earring viking lightning herring sling "
    "duckling darling dumpling stuffing frosting icing flooring dwelling bowling shopping"
)
NAMES = _words(
    "mia tom lena omar jose anna ben emma leo lucy max sam sara sarah zoe noah liam olivia ava "
    "sophia isabella amelia ella lily jack james john mary maria peter paul david daniel "
    "michael robert william thomas charles george henry edward arthur oscar hugo felix lukas "
    "lucas jonas carlos luis juan pedro pablo diego miguel ana carmen elena sofia laura marta "
    "lisa julia hannah nora clara eva ida finn emil theo anton karl hans fritz greta heidi "
    "ingrid lars sven olaf ali ahmed mohamed fatima layla aisha yusuf hassan ibrahim amir raj "
    "priya arjun anita ravi mei lin wei chen li ming yuki hiro kenji sakura haruto min-jun "
    "ivan olga boris natasha dmitri sergei alice bob charlie dave eve frank grace kate jane "
    "julie marie pierre jean jacques claire sophie louis luca marco giulia paolo francesca "
    "alex chris robin kim nina tina rosa ruby ivy stella luna mila milo otto oliver harry ron "
    "hermione simon tim toby victor walter will zack adam amy andy becky betty billy bobby "
    "carl chloe dan diana donna ed eliza elizabeth ellen eric ethan fiona fred gina gus helen "
    "holly ian isaac jake jason jenny jessica jim jimmy joe joey jose josh kevin kyle larry "
    "leah linda liz logan mark martin matt maya megan mike molly monica nancy naomi nate "
    "nathan nick nicole olive pam pat patricia phil rachel ray rebecca rick rita roger rosie "
    "roy ruth ryan sally samantha sandra scott sean sophie stan steve sue susan susie ted "
    "teresa tony vera vicky wendy zara pip kai juno pablo ines chiara matteo xiaoming nadia "
    "tariq zainab kofi ama kwame akira"
)
