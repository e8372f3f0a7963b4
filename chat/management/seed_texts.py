"""Names and sentences of the demo data: people, rooms and what they say, in English and Russian."""

from __future__ import annotations

import random

# User name and display name. The first two are the demo accounts of `make run`.
PEOPLE = (
    ("anna", "Anna"),
    ("boris", "Boris"),
    ("maria.petrova", "Мария Петрова"),
    ("james", "James Okafor"),
    ("olga", "Ольга Смирнова"),
    ("lena", "Lena Fischer"),
    ("дмитрий", "Дмитрий"),
    ("priya", "Priya Nair"),
    ("sergey", "Сергей Кузнецов"),
    ("chloe", "Chloé Martin"),
    ("ирина", "Ирина Волкова"),
    ("tomas", "Tomás Rivera"),
    ("pavel", "Павел Орлов"),
    ("sofia", "Sofia Rossi"),
    ("nikita", "Никита"),
    ("hannah", "Hannah Berg"),
    ("алексей", "Алексей Соколов"),
    ("yuki", "Yuki Tanaka"),
    ("vera", "Вера Лебедева"),
    ("marek", "Marek Nowak"),
)

# Name, topic, whether anybody may join.
ROOMS = (
    ("Engineering", "Builds, reviews and the odd incident", True),
    ("Дизайн", "Макеты, шрифты, доступность", True),
    ("Release 2.0", "What ships, what slips", True),
    ("Поддержка", "Вопросы пользователей", True),
    ("Random", "Cats, coffee and weather", True),
    ("On call", "Pages and hand-overs", False),
    ("Планёрка", "По понедельникам в 10:00", True),
    ("Hiring", "Interviews and notes", False),
    ("Книги", "Что читаем", True),
    ("Databases", "Indexes and regrets", True),
)

SENTENCES = (
    "Morning all! Anything blocking you today?",
    "The build is green again, thanks for the quick fix.",
    "Can somebody review my change? It is about forty lines.",
    "I will be away from two to four, ping {person} if it burns.",
    "Deployed to staging. Please try {thing} and tell me what breaks.",
    "Numbers for {thing}: p99 went from 240 ms to 35 ms 🎉",
    "Looks good to me.",
    "I disagree, but not strongly. Shall we talk it over at three?",
    "Could you add a test for the empty case?",
    "{person}, did you see the note about {thing}?",
    "Lunch in ten minutes, who is in?",
    "Reminder: the demo is on Friday at noon.",
    "Fixed in the second commit. The first one was optimism.",
    "```\nSELECT count(*) FROM chat_message WHERE at > now() - interval '1 day';\n```",
    "Notes: https://example.org/notes/{number}",
    "It only happens on the third click. Of course it does.",
    "+1",
    "Thanks! ❤️",
    "Доброе утро! Что сегодня в планах?",
    "Сборка снова зелёная, спасибо за быструю правку.",
    "Посмотрите, пожалуйста, мои изменения: строк сорок, не больше.",
    "Меня не будет с двух до четырёх, если что, пишите {person}.",
    "Выложили на тестовый сервер. Проверьте, как работает {thing}.",
    "По цифрам: было 240 мс, стало 35 мс 🎉",
    "Согласна, так и сделаем.",
    "А можно тест на пустой список?",
    "{person}, вы видели письмо про {thing}?",
    "Обедать через десять минут, кто идёт?",
    "Напоминаю: показ в пятницу в полдень.",
    "Воспроизводится только на третий клик. Ну конечно.",
    "Давайте обсудим голосом, так быстрее.",
    "Готово ✅",
    "Ёлки, забыл про часовые пояса. Исправляю.",
    "Список на сегодня:\n1. {thing}\n2. документация\n3. чай ☕",
    "Спасибо!",
    "Хорошая мысль. Запишу, чтобы не потерялась.",
)
THINGS = (
    "search", "the import", "the new sidebar", "retries", "login on phones", "поиск", "выгрузка",
    "новая панель", "повторная отправка", "вход с телефона",
)  # fmt: skip
EMOJI = ("👍", "❤️", "😂", "🎉", "👀", "🚀", "🙏")


def person(number: int) -> tuple[str, str]:
    """User name and display name of demo person `number`, 0 and up; all different."""
    username, name = PEOPLE[number % len(PEOPLE)]
    round_ = number // len(PEOPLE)
    return (username, name) if round_ == 0 else (f"{username}{round_ + 1}", f"{name} {round_ + 1}")


def room(number: int) -> tuple[str, str, bool]:
    """Name, topic and openness of demo room `number`, 0 and up."""
    name, topic, is_public = ROOMS[number % len(ROOMS)]
    round_ = number // len(ROOMS)
    return (name if round_ == 0 else f"{name} {round_ + 1}"), topic, is_public


def message(dice: random.Random) -> str:
    """Something to say; the same for dice of the same seed."""
    sentence = dice.choice(SENTENCES)
    return sentence.format(
        person="@" + dice.choice(PEOPLE)[0],
        thing=dice.choice(THINGS),
        number=dice.randrange(100, 1_000),
    )
