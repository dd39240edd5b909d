def f(l):
    return sum(l)/len(l)
