// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/bench_terminal/workloads.h"

#include <array>
#include <cstdint>

namespace moru::bench {
namespace {

/// Small and the same on every machine; its quality does not matter.
class Random {
public:
    std::uint32_t next()
    {
        m_state = m_state * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::uint32_t>(m_state >> 33);
    }
    int below(int limit) { return static_cast<int>(next() % static_cast<std::uint32_t>(limit)); }

private:
    std::uint64_t m_state = 20260101;
};

constexpr std::array words{"request",     "from",           "worker",  "completed", "in",
                           "cache",       "miss",           "for",     "tenant",    "retry",
                           "connection",  "closed",         "by",      "peer",      "status=200",
                           "bytes=18231", "path=/v2/items", "id=7f3a", "upstream",  "latency",
                           "over",        "budget"};
constexpr std::array wide{"数据", "处理", "完成", "错误", "接続", "終了", "한국어", "確認"};
constexpr std::array accented{"café",  "naïve",  "Größe", "façade",
                              "señor", "příliš", "Ωμέγα", "привет"};
constexpr std::array marked{"e\xcc\x81t\xcc\x82", "a\xcc\x8a", "n\xcc\x83o", "o\xcc\x88"};

template <typename List> std::string pick(Random &random, const List &list)
{
    return list[static_cast<std::size_t>(random.below(static_cast<int>(list.size())))];
}

void asciiLine(std::string &out, Random &random)
{
    out += "2026-01-01T12:" + std::to_string(10 + random.below(50)) + ":"
           + std::to_string(10 + random.below(50)) + " ";
    const int count = 3 + random.below(9);
    for (int i = 0; i < count; ++i)
        out += pick(random, words) + ' ';
    out += "\r\n";
}

void sgrLine(std::string &out, Random &random)
{
    const int count = 4 + random.below(7);
    for (int i = 0; i < count; ++i) {
        switch (random.below(4)) {
        case 0:
            out += "\x1b[" + std::to_string(30 + random.below(8)) + 'm';
            break;
        case 1:
            out += "\x1b[1;" + std::to_string(90 + random.below(8)) + 'm';
            break;
        case 2:
            out += "\x1b[38;5;" + std::to_string(random.below(256)) + 'm';
            break;
        default:
            out += "\x1b[38;2;" + std::to_string(random.below(256)) + ';'
                   + std::to_string(random.below(256)) + ';' + std::to_string(random.below(256))
                   + 'm';
            break;
        }
        out += pick(random, words) + "\x1b[0m ";
    }
    out += "\r\n";
}

void utf8Line(std::string &out, Random &random)
{
    const int count = 5 + random.below(8);
    for (int i = 0; i < count; ++i) {
        switch (random.below(5)) {
        case 0:
        case 1:
            out += pick(random, wide);
            break;
        case 2:
            out += pick(random, accented);
            break;
        case 3:
            out += pick(random, marked);
            break;
        default:
            out += pick(random, words);
            break;
        }
        out += ' ';
    }
    out += "\r\n";
}

void cursorStep(std::string &out, Random &random, int columns, int rows)
{
    out += "\x1b[" + std::to_string(1 + random.below(rows)) + ';'
           + std::to_string(1 + random.below(columns - 20)) + 'H';
    switch (random.below(6)) {
    case 0:
        out += "\x1b[K";
        break;
    case 1:
        out += "\x1b[7m" + pick(random, words) + "\x1b[27m";
        break;
    case 2:
        out += "\x1b[" + std::to_string(1 + random.below(5)) + 'C'
               + std::to_string(random.below(1000));
        break;
    case 3:
        out += "\x1b[" + std::to_string(1 + random.below(3)) + 'X';
        break;
    default:
        out += std::to_string(random.below(100000)) + '%';
        break;
    }
}

} // namespace

std::string workload(const std::string &name, std::size_t bytes, int columns, int rows)
{
    std::string out;
    out.reserve(bytes + 512);
    Random random;
    while (out.size() < bytes) {
        if (name == "ascii")
            asciiLine(out, random);
        else if (name == "sgr")
            sgrLine(out, random);
        else if (name == "utf8")
            utf8Line(out, random);
        else if (name == "cursor")
            cursorStep(out, random, columns, rows);
        else
            return {};
    }
    return out;
}

} // namespace moru::bench
