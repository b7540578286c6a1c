// Words with their stems, of each language that libstemmer has: frequent words (wordfreq, stopwordsiso) whose stems
// snowballstemmer 2.2.0 and 3.1.1 (Python) agree on, by Benchmarks/scripts/snowball_stems.py.

enum StemmerVectors {
  /// `language word stem word stem …`, a language a line.
  static let lines = """
    arabic آب اب أستمع استمع أمهاتنا امها إلكترونية الكترون اقتباسات اقتباسا الإدارات ادار الانزلاق انزلاق \
    التطوعي تطوع الحبوب حبوب الرؤوس رووس الشاي الشا العجوز عجوز القاطنين قاطن المايسترو مايسترو المستخرج \
    مستخرج المنبه منبه الوحوش وحوش بالبيت بيت بجولة جول بقية بق تتعاون تتعا تقولوا تقول حاسوبك حاسوب درست درس \
    سألتك سال شرعا شرع عاريات عاريا فراق راق قواتها قوا لتنتهي لتنته للسلطات سلط مائي ماء مزاولة مزاول ملفت \
    ملف نفسيا نفسي والأخير والاخير وبطاقات طاقا ورغبة رغب ولايات لايا يبلغوا يبلغ
    armenian դուք դու ենք են եք ե էին է էինք էին էիք է համար համ մենք մեն նրանք նրան որոնք որ որպես որ
    basque anitz ani baina bai batean bat batek bat batzuek batzu batzuetan batzu beraiek berai berauek berau \
    beroriek berori beste bes bezala beza eurak eur gainera gain guzti guz haiek hai haietan hai hainbeste \
    hainbes handik hand hango han hartan hart hauek hau hauetan hau hemen hem hemendik hemend hemengo hem \
    honek hon honela hone honetan hon horiek hori horietan hori horko hor horra hor horrek horr horrela horre \
    horretan horr hortik hort noiz noi nondik nond nongo non zergatik zergat
    catalan aba ab afecció afec amagada amag aquet aqu austin aust biografia biograf camises cam centímetres \
    centimetr competeix compet construïm constru cruels cruel denominació denomin dignament dign ebullició \
    ebull enllestit enllest esperanza esperanz existents exist finançament finanç garau gar hagin hag imposts \
    impost interessos interess latorre lator magistrat magistr menges meng morta mort noruecs noruec \
    ornamentació ornament pelis pel pneumàtic pneumatic presumptament presumpt pàgina pag reemplaçat reemplaç \
    retraten retrat sebastián sebastian sobrenaturals sobrenatur súper sup tornavís tornav uneixin un \
    vinculant vincul
    danish aage aag alvorlige alvor atlas atla bendtner bendtn blodlegemer blodlegem byrådet byråd datidens \
    datid dybet dyb eriks erik fiskeriet fiskeri forklare forklar fotograferer fotograf gangene gang gudernes \
    gud hinsides hinsid højdepunkt højdepunk institutionelle institutionel kapacitet kapacit kommune kommun \
    kunstneriske kunstnerisk levine levin madeleine madelein midtbanespiller midtbanespil mængder mæng objekt \
    objek opvarmet opvarm pepper pep projekterne projek rekonstruere rekonstru råder råd sidelæns sidelæn \
    slagtilfælde slagtilfæld springet spring styrkes styrk take tak tiltrængt tiltræng tætte tæt udøvende \
    udøv varetager varetag vrangen vrang
    dutch aaien aai afkoelen afkoel arbeiders arbeider behartigen behart betwisten betwist boekhouden \
    boekhoud carrière carrièr cottage cottag dingen ding eagle eagl exotische exotisch fundamenten fundament \
    grotten grot higgins higgin indrukken indruk jeugdopleiding jeugdopleid kleedkamers kleedkamer kwetsen \
    kwets lijnen lijn mass mas miss mis nerds nerd ondersteunde ondersteund opbrengsten opbrengst overheden \
    over piekeren pieker producenten producent renate renat runs run seks sek speculeren speculer strijen \
    strij thans than tuinieren tuinier vans van verlangens verlangen vervuiling vervuil volgen volg warmen \
    warm woedde woed
    english abandoned abandon aides aid aps ap baggy baggi body bodi calories calori chivalry chivalri \
    compared compar contraction contract curls curl depriving depriv dissidents dissid eighty eighti \
    espionage espionag fanatics fanat forgave forgav glastonbury glastonburi headphones headphon illogical \
    illog innovative innov jeffery jefferi legs leg manny manni miniseries miniseri needle needl opposed \
    oppos peace peac poisoning poison profitable profit raping rape remedies remedi rinse rins seals seal \
    simplify simplifi spiritual spiritu substantially substanti telescopes telescop transcripts transcript \
    unites unit vouchers voucher
    finnish aakkoset aakkos alukseen aluks australiaan australia ehdotettiin ehdotet etniset etnis hapan hapa \
    hollywoodin hollywood ikkunassa ikkun jarrut jaru järjestäytyneen järjestäytyn karmea karm keräämässä \
    kerääm koettiin koet kotisivuilla kotisivu kuvaamaan kuvaam lainassa laina liitetään liite läheisille \
    läheis martha marth missä mis mökkiä mök näkönen näkön opiskelijat opiskelij palkatonta palkaton pestin \
    pest potilasta potil pääjohtaja pääjohtaj riemusta riemu samallalta samal sijoita sijo suojella suoje \
    taidemuseon taidemuseo tavoitteli tavoittel todistamassa todistam tunnusmerkkejä tunnusmerk tällaisella \
    tällais vahvoilla vahvo varikolla variko viikossa viiko väärät väärä
    french abaisse abaiss agréable agréabl apathie apath atteindra atteindr bendit bend bâtons bâton changés \
    chang coller coll connaissez connaiss courbe courb descriptive descript douai dou démonté démont \
    encadrement encadr exemple exempl finira fin gaga gag générer géner illumine illumin inquiétez inquiet \
    joanna joann lisait lis marins marin moine moin naufrage naufrag orbites orbit patronage patronag \
    plongeurs plongeur produite produit purification purif recouvre recouvr ressentait ressent rédigés rédig \
    saurons sauron solitaires solitair superbes superb theatre theatr trouves trouv vigoureuse vigour \
    économise économis
    german aachen aach altenpflege altenpfleg anzuschliessen anzuschliess ausgehende ausgeh \
    bedeutungslosigkeit bedeutungslos beschreibungen beschreib blutigen blutig chevalier chevali \
    dokumentierten dokumentiert eingetragene eingetrag entsprechendem entsprech erzähl erzahl fixieren fixi \
    füllung fullung genaueren genau geändert geandert handbremse handbrems hoffnungsträger hoffnungstrag \
    interessenvertretung interessenvertret kernkraftwerke kernkraftwerk kremer krem lederjacke lederjack \
    mailänder mailand mittelfristig mittelfrist netten nett paare paar preussen preuss referenten referent \
    rückgängig ruckgang schuppen schupp sitzen sitz staubsauger staubsaug südstaaten sudstaat trägst trag \
    unterschreibe unterschreib verlassenen verlass visionen vision weibliches weiblich wunschliste wunschlist \
    zusätzliche zusatz
    greek aθήνα aθην έξυπνο εξυπν αθώωση αθωωσ αναγκαιότητα αναγκαιοτητ αντιλαμβάνομαι αντιλαμβαν αποσπάσουν \
    αποσπασ ατομα ατομ βιβλιοπωλείο βιβλιοπωλει γεύμα γευμ δασική δασικ διαρκήσ διαρκ δυτικοί δυτικ \
    εκτελεστέσ εκτελεστ εξαντλείται εξαντλειτα επιταφίου επιταφ εἴμι εἴμ θηράματα θηραμ κίτρινη κιτριν \
    κατέπεσε κατεπεσ κλειδαριέσ κλειδαρι κρύεσ κρυ λεπτά λεπτ μαλακή μαλακ μικρούσ μικρ νέου νε ξεχάσει ξεχασ \
    ουδέν ουδεν παράλειψη παραλειψ περιμενει περιμεν πολάκη πολακ προσθέσω προσθεσ ραγδαίεσ ραγδαι σκήνωμα \
    σκηνωμ στρατάρχη στραταρχ συνοδευόμενη συνοδευομεν ταυτίζεται ταυτιζ τρελών τρελ υποψηφίων υποψηφ φυλάξει \
    φυλαξ χρειαζόμασταν χρειαζ
    hindi अँगूठी अँगूठ अमीनो अमीन आन्दोलनों आन्दोलन उक्ति उक्त एजेंसियां एजेंस कम्पनियाँ कम्पन कामो काम कोए \
    को खुजली खुजल गिरफ़्तारी गिरफ़्तार घूमते घूम चुकानी चुकान जगत् जगत जायेंगे जाय झूलते झूल ड्रा ड्र \
    तेलंगाना तेलंग दिखावटी दिखावट द्वीपों द्वीप नारेबाजी नारेबाज पगली पगल पहनावे पहनाव पुराना पुर प्रोपर्टी \
    प्रोपर्ट बजरंगी बजरंग बहकर बह बुजुर्गों बुजुर्ग भरने भर मज़बूरी मज़बूर माननी मान मूर्ति मूर्त रचते रच \
    रेस्क्यू रेस्क्य लिखोगे लिख विडिओ विडि शिबू शिब सतपुड़ा सतपुड़ सांसदों सांसद सुरमई सुरम हड्डियां हड्ड
    hungarian aaron aar amennyit amenny becsülete becsület bonyolultak bonyolult creek cre dobnak dob elemmel \
    el elérhetőek elérhető evett evet felvette felvett forgatáson forgatás gondozott gondozot hangszerek \
    hangszer homlok homl ikertestvére ikertestv jellemzik jellemz kaukázusi kaukázus kimutatására kimutatás \
    kvázi kváz kötelékek kötelék lemenni lemenn madison madis megkérni megkérn menjetek menjet munkánk munka \
    neten net ole ol pontjára pont rendezésében rendezés sejtet sejt szellemeket szellem számnak szám \
    találtuk talált területének terület tárgyaláson tárgyalás utazási utazás visszaadni visszaadn véletlenül \
    véletlen átmenetet átmenet ígérkezik ígérkez
    indonesian abadi abad baguslah bagus berbiaya biaya berkedok kedok bersalin salin botani botan dialami \
    alam dieksploitasi eksploitasi dikutip kutip dipesan pesan distribution stribution egomu ego hidungnya \
    hidung julukan julu kecoklatan coklat keluyuran luyur kerumitan rumit koneksinya koneksi maaflah maaf \
    melipat lipat membolehkan boleh memutihkan putih menegaskan egas mengenakkan enak mengisyaratkan isyarat \
    mentoring toring menyuruhku suruh mulawarman mulawarm patahan patah pembibitan bibit penebusan ebus \
    penguncian unci perbincangan bincang persikabo sikabo pulangnya pulang sebagaian sebagai sifatmu sifat \
    teknologinya teknolog terjaring jaring terumbu umbu
    irish bhúr búr chomh comh chtó ctó chuig cuig chun cun dhá dá dtí tí ochtar och seachtar seach thar tar \
    thú tú
    italian abate abat aggressione aggression anselmo anselm assiduo assidu banchina banchin bruttissimo \
    bruttissim casco casc cittadina cittadin concedendo conced controcorrente controcorrent dacci dacc \
    differenti different donato don esaltante esalt faticoso fatic fotocamera fotocamer giornalista giornal \
    imbarco imbarc inerzia inerz invasore invasor leopardo leopard manderà mand migliorate miglior nasce nasc \
    onorio onor paro par piacesse piacess precedono preced propose propos rappresenti rappresent ricoprono \
    ricopr ristrette ristrett sappi sapp segnala segnal sito sit spetta spett suddetta suddett tesina tesin \
    trovarsi trov venisse veniss
    lithuanian aaronas aaron aparatą aparat atliekas atliek autorius autor bolševikams bolševik daniją danij \
    domeną domen elgesį elges galimybėmis galimyb grazus graz imu im išskirtinis išskirtin kalinio kalin \
    kibirkšties kibirkšt kopos kop laimingasis laim lokiai lok medžiaga medžiag motina motin nelaimingi \
    nelaim novelių novel ožka ožk panorama panor paskyrimą paskyrim perkeltas perkelt popierius popier \
    prisijungti prisijung rastas rast rotušė rotuš senate sen skysto skyst stipendijų stipendij susilaikyti \
    susilaik tarpais tarp toliausiai tol utenoje uten variantai var viryklę virykl įranga įrang šoka šok
    norwegian aage aag ansettelser ansett avslørte avslørt beretninger beretning bordene bord christina \
    christin distansen distans ektefeller ektefell fanen fan flåte flåt forskrifter forskrift fylte fylt \
    grekerne grekern hemme hemm hyggelige hygg insektene insekt kake kak klokke klokk kostymet kostym lastes \
    last ludvigsen ludvigs matematiske matematisk moduler modul nervepirrende nervepirr omringet omring \
    overlever overlev plaster plast punktene punkt rentene rent rådgiver rådgiv seriens seri skraper skrap \
    spekter spekt stortingsrepresentanter stortingsrepresentant sysselsettingen sysselsetting tiggere tigger \
    trone tron unges ung valpen valp vinduer vindu
    portuguese abacate abacat advogados advog analgésicos analgés armação armaçã avaliadas avali bombas bomb \
    caprichos caprich chinese chines comovido comov considero consider cozinheiros cozinheir deficiências \
    deficient desmoronar desmoron diversificados diversific emocionado emocion escravos escrav evoluindo \
    evolu federico feder frequentes frequent gramados gram idosa idos iniciam inic jaula jaul libertária \
    libertár mangue mang militantes milit mútua mútu ofereceram oferec partícula partícul pico pic prega preg \
    provocam provoc receptores receptor reserva reserv sabão sabã shiva shiv sujeita sujeit theresa theres \
    tráfego tráfeg viajaram viaj
    romanian abandona abandon afișează afiș antarctica antarct asistat asist bazinelor bazin băuturilor \
    băutur cercetarile cercetar colului col constructive construct croitorul croitor deasemenea deasemen \
    dezbrăcat dezbrăc dostoievski dostoievsk episcopale episcopal familiei famil fotografiere fotografier \
    golului gol ignorarea ignor intamplat intampl jura jur loterie loter medicinale medicinal monitorul monit \
    negocierile negocier oferi ofer partidei partide plecă plec preparat prepar protejezi protej recitaluri \
    recitalur revendicări revendicăr salcâm salc seră ser spirite spirit sunshine sunshin textile text \
    turceni turcen vede ved yvette yvett înghețată îngheț
    russian аа а атлетике атлетик бомбе бомб вечная вечн воротах ворот высокие высок готовых готов дешевле \
    дешевл дружище дружищ заговорить заговор звоните звон инженерные инженерн картине картин консультантов \
    консультант кучка кучк малышку малышк могло могл нанесения нанесен неопределенности неопределен обращал \
    обраща опровергает опроверга отнести отнест передние передн подарками подарк положению положен потерять \
    потеря прибегать прибега продвижение продвижен пьесы пьес реабилитация реабилитац рыночных рыночн сечение \
    сечен собирает собира спидом спид стройматериалов стройматериал террористические террористическ \
    увеличением увеличен установлено установл хейли хейл чуть чут
    serbian aa a autonomiji autonomij bolje bolj crtežima crtež dobiva dobiv duhova duhov finansijskih \
    finansijsk graditelja graditelj igračima igrač izazovima izazov jednakih jednak klanu klan koča koč leva \
    lev maskirani maskiran mogući moguć nameštaja nameštaj neposredni neposredn objavljivani objavljiva okolo \
    okol ostaviti ostavi pere per pogodaka pogodak posjet poset poštuje poštuj približila približi proizvesti \
    proizvest ranio rani riblja riblj sedmi sedm sliva sliv spustila spusti subjekat subekt tematikom tematik \
    tugom tug upija upij valjeva valev vojnici vojnic zapovjedništvom zapovedništv čekanja čekanj
    spanish aarón aaron aeropuerto aeropuert amortización amortiz arrasar arras azafrán azafran brenda brend \
    características caracterist ciencia cienci compone compon consultorio consultori cristina cristin \
    dedicando dedic desobedecer desobedec distribuidas distribu emiten emit escala escal examina examin \
    filología filolog gastarse gast haití hait imperante imper inside insid jugar jug llegadas lleg marchas \
    march misión mision necesitaba necesit olímpica olimp pasivo pasiv pinchar pinch preocupaciones preocup \
    próximamente proxim recoge recog requería requ sabian sabi sherman sherm suena suen terna tern trío tri \
    veíamos vei
    swedish abba abb anständig anständ avslöjades avslöj bernie berni bokhylla bokhyll cannes cann dessa dess \
    egypten egypt fattigare fatt franks frank föreståndare förestånd games gam gudomligt gudom hjärna hjärn \
    ignorans ignoran irene iren katastrofer katastrof konstigare konst kyrkklockorna kyrkklock listorna list \
    macken mack mille mill mätningarna mätning nära när orsakar orsak plasma plasm putte putt respekt respek \
    rösta röst sisters sister skåningar skåning specialiserade specialiser strypa stryp sysslade syssl \
    tilldelades tilldel träffas träff uppenbarligen uppenbar utträde utträd visionen vision ytligt ytl
    tamil ஃபண்ட் ஃபண் அதுக்கெல்லாம் அத் அய்யன் யன் அவனுக்கு அவன் ஆரம்பித்தால் ஆரம்பிம் இந்நூலில் நூல் \
    இறந்துவிட்டார் இறந்துவிடு உண்டாகின்றன உண் உழைத்த உழை என்றும் எல் ஒருக்கா ஒர் கண்டிக்கத்தக்கது கண்டி \
    கவனிக்காமல் கவனி கிட்டே கிடு குழுவிடம் குழு கொண்டோம் கொண் சமத்துவத்தை சமத்துவம் சிறியதாக சிறி செய்ததில் \
    செய் சொல்லுங்கள் சொல் தன்னிலை தன்னில் தாளில் தாள் தூக்கமே தூக்கம் தொழில்நுட்பங்களை தொழில்நுட்பம் \
    நல்லாத்தான் நல் நிறைவேற்றப்பட்டது நிறைவேற்ற பக்கங்கள் பக்கம் பத்திரிகையை பத்திரிகை பாட்டுக்கு பாடு \
    பிரஷாந்த் பிரஷ் பெயரிலான பெயரில் போகவில்லை போக மதுரையிலிருந்து மதுரையில் மாயாவி மாயா முன்வைக்கப்பட்டது \
    முன் யூடியூப்பில் யூடியூ வந்திருக்க வந்திர் வழிமுறைகளைப் வழிமுறை விதமாகவும் விதம் வெந்து வெ
    turkish aaa aa altındaki alt arkadaşlarınıza arkadaş açılmış açıl başarılarının başarı bilinçaltı \
    bilinçal bulunmuştu bulunmuş dahada daha değerdi değer durmuş dur edilebilmesi edilebilmes etmemesi \
    etmemes freud freudu geçirdikleri geçirdik görünmesine görünme halini hal hisse his indirdi indir \
    işlemlerinde işlem kaptanı kapta kaçtı kaç konuşsak konuş kuzum kuz makamları makam modeller model ogün \
    ogu ortadaki orta polisiye polisi saklıdır saklı sesiniz se sorunca sor sırasına sıra telefonlar telefon \
    ulan ula vermeye verme yaralandığı yaralandık yerlere yer zekalı zekal çöktü çök öğretmenler öğretmen
    """
}
